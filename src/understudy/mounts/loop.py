"""A part of a file as a block device. The kernel takes it away with its last user, also when we are killed."""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.errors import Unsupported

# <linux/loop.h>
_GET_FREE, _CONFIGURE = 0x4C82, 0x4C0A
_AUTOCLEAR = 4
_CONFIG = struct.Struct("=II 5Q4I64s64s32s2Q 64x")
"""loop_config: descriptor, block size; loop_info64: device, inode, rdevice, offset, size limit, number, encryption and its key's size,
flags, file name, cipher name, key, init; reserved."""
_TRIES = 50


@contextmanager
def attached(path: Path, start: int, size: int) -> Iterator[str]:
    """The device for bytes `start` to `start + size` of `path`. It stays after this as long as it is mounted. OSError if the file cannot be
    opened, `Unsupported` if the kernel gives no device."""
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        name, device = _configured(file, os.fspath(path), start, size)
    finally:
        os.close(file)
    try:
        yield name
    finally:
        os.close(device)


def _configured(file: int, path: str, start: int, size: int) -> tuple[str, int]:
    config = _CONFIG.pack(file, 0, 0, 0, 0, start, size, 0, 0, 0, _AUTOCLEAR, os.fsencode(path)[:63], b"", b"", 0, 0)
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_TRIES):
            name = f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
            try:
                return name, _taken(name, config)
            except OSError as error:
                # Another process may have been faster.
                if error.errno != errno.EBUSY:
                    raise Unsupported(f"{name} cannot be had: {error.strerror}", hint="in a container, let it have loop devices") from None
    finally:
        os.close(control)
    raise Unsupported("no loop device is left for long enough to be taken", hint="see `losetup --list`")


def _taken(name: str, config: bytes) -> int:
    device = os.open(name, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _CONFIGURE, config)
    except BaseException:
        os.close(device)
        raise
    return device


def loops_on(directory: str) -> dict[str, str]:
    """Loop devices whose files lie below the directory, and these files."""
    found = {}
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            path = backing.read_text(errors="surrogateescape").rstrip("\n")
        except OSError:
            continue
        if path.startswith(f"{directory}/"):
            found[f"/dev/{backing.parents[1].name}"] = path
    return found
