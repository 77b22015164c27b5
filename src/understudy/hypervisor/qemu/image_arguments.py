"""A disk's block nodes: its image, and what it lies on. The topmost one is named after the disk."""

import hashlib
from typing import assert_never

from understudy.hypervisor.protocol import DiskImage, Image, NbdImage, Overlay, Qcow2Image, RawImage
from understudy.hypervisor.qemu.options import Value, joined

Pairs = list[tuple[str, Value | None]]


def node_of(disk: str) -> str:
    """The node that the disk's device is joined to; QEMU allows 31 characters, and a disk's name has up to 63."""
    return _named("d", disk)


def below_of(disk: str) -> tuple[str, ...]:
    """What lies under an overlay, the topmost first; the last is there only if that is a file."""
    return _named("b", disk), _named("bf", disk)


def _named(kind: str, disk: str) -> str:
    # In front, where no name of a disk makes two of them the same.
    return f"{kind}-{disk}" if len(disk) <= 24 else f"{kind}-{disk[:15]}-{_short(disk)}"


def overlay_options(disk: str) -> dict[str, Value | None]:
    """Of an overlay that lies on nothing any more, for QMP."""
    return dict(_overlay(disk, None))


def _overlay(disk: str, below: str | None) -> Pairs:
    return [("driver", "qcow2"), ("file", _named("f", disk)), ("backing", below), ("node-name", node_of(disk)), ("discard", "unmap")]


def image_arguments(disk: str, image: DiskImage) -> list[str]:
    """`-blockdev` for each node, the lowest first."""
    node, file = node_of(disk), _named("f", disk)
    if isinstance(image, Overlay):
        below, below_file = below_of(disk)
        words = _nodes(below, below_file, image.below, read_only=True)
        words += _blockdev([("driver", "file"), ("filename", str(image.path)), ("node-name", file), ("discard", "unmap")])
        return words + _blockdev(_overlay(disk, below))
    return _nodes(node, file, image, read_only=False)


def _nodes(node: str, file: str, image: Image, *, read_only: bool) -> list[str]:
    common: Pairs = [("node-name", node), ("read-only", read_only), ("discard", "unmap")]
    match image:
        case NbdImage():
            server: Pairs = [("server.type", "unix"), ("server.path", str(image.socket)), ("export", image.export)]
            return _blockdev([("driver", "nbd"), *server, ("reconnect-delay", image.patience), *common])
        case RawImage():
            return _file(file, image.path.is_block_device(), str(image.path), read_only) + _blockdev(
                [("driver", "raw"), ("file", file), *common]
            )
        case Qcow2Image():
            return _file(file, False, str(image.path), read_only) + _blockdev([("driver", "qcow2"), ("file", file), *common])
        case _:
            assert_never(image)


def _file(node: str, device: bool, path: str, read_only: bool) -> list[str]:
    driver = "host_device" if device else "file"
    return _blockdev([("driver", driver), ("filename", path), ("node-name", node), ("read-only", read_only), ("discard", "unmap")])


def _blockdev(pairs: Pairs) -> list[str]:
    return ["-blockdev", joined("", pairs)]


def _short(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
