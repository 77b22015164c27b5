"""System calls that Python's os module lacks, and the ioctls of block devices."""

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

_FALLOC_FL_KEEP_SIZE = 0x01
_FALLOC_FL_PUNCH_HOLE = 0x02
_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_SYNC_FILE_RANGE_WRITE = 2
_BLKZEROOUT = 0x127F
_BLKSSZGET = 0x1268
_BLKGETSIZE64 = 0x80081272

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
_libc.sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
_libc.renameat2.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]


def punch_hole(fd: int, offset: int, length: int) -> bool:
    """Make the range read as zero and give its space back, the size unchanged. False where this kind of file cannot."""
    if _libc.fallocate(fd, _FALLOC_FL_PUNCH_HOLE | _FALLOC_FL_KEEP_SIZE, offset, length) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODEV):
        return False
    raise OSError(code, os.strerror(code))


def begin_writing(fd: int, offset: int, length: int) -> None:
    """Have what is dirty in the range written to the disk from now on. A hint: where that is not to be had, or the disk fails, a flush is
    what writes it, or tells."""
    _libc.sync_file_range(fd, offset, length, _SYNC_FILE_RANGE_WRITE)


def rename_new(source: Path, destination: Path) -> None:
    """Rename atomically, never over anything: FileExistsError instead."""
    if _libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(destination), _RENAME_NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code), os.fspath(destination))
    # A file system without RENAME_NOREPLACE; a hard link is as atomic, and refuses as well.
    os.link(source, destination)
    os.unlink(source)


def device_size(fd: int) -> int:
    """Bytes of an open block device."""
    return int(struct.unpack("=Q", fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)))[0])


def device_sector(fd: int) -> int:
    """Bytes of an open block device's logical sector."""
    return int(struct.unpack("=i", fcntl.ioctl(fd, _BLKSSZGET, bytes(4)))[0])


def device_zero(fd: int, offset: int, length: int) -> None:
    """Zero a range of a block device, both multiples of its sector; the device writes zeros if it knows no better."""
    fcntl.ioctl(fd, _BLKZEROOUT, struct.pack("=QQ", offset, length))
