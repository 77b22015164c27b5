"""The locks by which QEMU processes tell each other how they use an image (block/file-posix.c).

A process holds a shared OFD lock on byte 100+n for each permission n that it uses and on byte 200+n for each that it does not share;
whoever opens an image looks for others' locks on the bytes that conflict with its own.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path

USED = 100
UNSHARED = 200
CONSISTENT_READ, WRITE, WRITE_UNCHANGED, RESIZE = range(4)
WITHOUT_LOCKS = {errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system says that has no such locks."""

_FLOCK = struct.Struct("@hhqqi4x")


def take(fd: int, byte: int) -> None:
    """Share the lock on this byte for as long as a copy of `fd` is open. OSError if somebody has it alone."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))


def held_by_another(fd: int, byte: int) -> bool:
    """Whether anybody but `fd` has a lock on this byte; `fd` may be open for reading only. OSError where there are no such locks."""
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    kind: int = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK


def written_by_another(fd: int) -> bool:
    """Whether a VM or a QEMU tool has this image open for writing, as far as its file system can tell."""
    try:
        return held_by_another(fd, USED + WRITE)
    except OSError as error:
        if error.errno in WITHOUT_LOCKS:
            return False
        raise


def is_written(path: Path) -> bool:
    """As `written_by_another`, of an image that this process has not open; False of one that is gone, or not to be read. Blocks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return written_by_another(descriptor)
    finally:
        os.close(descriptor)
