"""QEMU's image locks: a running VM keeps us away from its image, and we keep a VM from starting on one that we write.

QEMU (block/file-posix.c) holds shared OFD locks on byte 100+n for each permission n that it uses and on byte 200+n for each
that it does not share; whoever opens an image looks for others' locks on the bytes that conflict with its own.
"""

import asyncio
import errno
import fcntl
import os
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from understudy.errors import Conflict

T = TypeVar("T")

_PATIENCE = 3.0
_FLOCK = struct.Struct("@hhqqi4x")
_USED = 100
_UNSHARED = 200
_CONSISTENT_READ, _WRITE, _WRITE_UNCHANGED, _RESIZE = range(4)
_ALL = (_CONSISTENT_READ, _WRITE, _WRITE_UNCHANGED, _RESIZE)
_OURS = (_CONSISTENT_READ, _WRITE, _RESIZE)


async def while_busy(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again for some seconds: what a killed restore was about to write may still be on its way."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return await attempt()
        except Conflict:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


def lock_image(fd: int, path: Path) -> None:
    """Take `fd` (open for reading and writing) for ourselves alone, as QEMU would; released when the last copy of `fd` is closed.

    Conflict if a VM, a QEMU tool or another understudy has it open. File systems without such locks are taken as they are.
    """
    try:
        for byte in (*(_USED + bit for bit in _OURS), *(_UNSHARED + bit for bit in _ALL)):
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0))
        taken = [byte for byte in (*(_USED + bit for bit in _ALL), *(_UNSHARED + bit for bit in _OURS)) if _held_by_another(fd, byte)]
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP):
            return
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        taken = [_USED]
    if taken:
        raise Conflict(
            f"{path} is in use: a running VM or another program holds QEMU's lock on it",
            hint="shut the VM down first (or let the other restore finish), or name another target",
        )


def _held_by_another(fd: int, byte: int) -> bool:
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
    kind: int = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0]
    return kind != fcntl.F_UNLCK
