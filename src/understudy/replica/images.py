"""Which image each disk of a replica is given."""

import os
from collections.abc import Mapping
from pathlib import Path

from understudy import engine
from understudy.errors import TargetFailed
from understudy.hypervisor.protocol import DiskImage, Host, Image, NbdImage, Overlay, Qcow2Image, RawImage
from understudy.replica.record import Record, overlay_of

_MAGIC = b"QFI\xfb"
_SIZE = slice(24, 32)
_ANEW = "make the standby image anew, or start without it"


def host_of(directory: Path, record: Record, export: engine.Export | None) -> Host:
    """`export`: None if no disk needs it. A disk that lacks nothing is its overlay alone."""
    order = record.order
    served = {disk.name: disk for disk in export.disks} if export is not None else {}
    disks: dict[str, DiskImage] = {}
    for name in (disk.name for disk in order.definition.disks):
        path = overlay_of(directory, name)
        if name in record.whole:
            disks[name] = Qcow2Image(path)
        elif name in order.below:
            image = local_image(order.below[name])
            disks[name] = Overlay(path, image, size_of(image))
        else:
            disks[name] = _exported(path, name, export, served)
    return Host(disks, order.networks, Path(order.seed) if order.seed else None, order.accelerator)


def local_image(name: str) -> RawImage | Qcow2Image:
    """By its name: a guest may have written what looks like a header of another format."""
    return Qcow2Image(Path(name)) if name.endswith(".qcow2") else RawImage(Path(name))


def size_of(image: RawImage | Qcow2Image) -> int:
    """Bytes of the disk that it holds. `TargetFailed` if that cannot be told."""
    try:
        with image.path.open("rb") as file:
            if isinstance(image, RawImage):
                return file.seek(0, os.SEEK_END)
            header = file.read(_SIZE.stop)
    except OSError as error:
        raise TargetFailed(
            f"{image.path} cannot be read: {error.strerror}", hint="make the standby image anew, or start without it"
        ) from None
    if not header.startswith(_MAGIC) or len(header) < _SIZE.stop:
        raise TargetFailed(f"{image.path} is no qcow2 image", hint="make the standby image anew, or start without it")
    return int.from_bytes(header[_SIZE], "big")


def _exported(path: Path, name: str, export: engine.Export | None, served: Mapping[str, engine.ExportedDisk]) -> Overlay:
    if export is None or name not in served:
        raise TargetFailed(f"the point has no disk {name}", hint="take the disk out of the definition, or choose another point")
    below: Image = NbdImage(Path(export.listen), name)
    return Overlay(path, below, served[name].size)
