"""An initramfs: files by path, as the compressed newc archive that a kernel unpacks."""

import gzip
import stat
from collections.abc import Mapping
from pathlib import PurePosixPath


def build_initramfs(files: Mapping[str, bytes], directories: tuple[str, ...] = ()) -> bytes:
    """A gzip-compressed archive of executable ``files`` by absolute path, the directories above them, and more, empty ones."""
    folders = set(directories)
    for path in files:
        folders.update(str(parent) for parent in PurePosixPath(path).parents if str(parent) != "/")
    archive = bytearray()
    for number, path in enumerate(sorted(folders), start=1):
        archive += _entry(number, path, stat.S_IFDIR | 0o755, b"")
    for number, (path, content) in enumerate(sorted(files.items()), start=len(folders) + 1):
        archive += _entry(number, path, stat.S_IFREG | 0o755, content)
    archive += _entry(0, "/TRAILER!!!", 0, b"")
    return gzip.compress(bytes(archive), compresslevel=1, mtime=0)


def _entry(number: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.lstrip("/").encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, device, special device (two words each), name's length, check
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
