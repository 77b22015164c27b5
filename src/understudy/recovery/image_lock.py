"""QEMU's image locks: a running VM keeps us away from its image, and we keep a VM from starting on one that we write."""

import asyncio
import errno
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from understudy.errors import Conflict
from understudy.qemu.image_locks import (
    CONSISTENT_READ,
    RESIZE,
    UNSHARED,
    USED,
    WITHOUT_LOCKS,
    WRITE,
    WRITE_UNCHANGED,
    held_by_another,
    take,
    written_by_another,
)
from understudy.recovery.failure import target_failed

T = TypeVar("T")

_PATIENCE = 3.0
_ALL = (CONSISTENT_READ, WRITE, WRITE_UNCHANGED, RESIZE)
_OURS = (CONSISTENT_READ, WRITE, RESIZE)


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


def written(path: Path) -> bool:
    """Whether a VM, or another program that keeps to QEMU's locks, has the image open for writing now. Takes nothing, and blocks."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise target_failed(path, "opening it", error) from error
    try:
        return written_by_another(fd)
    except OSError as error:
        raise target_failed(path, "looking at its locks", error) from error
    finally:
        os.close(fd)


def lock_image(fd: int, path: Path) -> None:
    """Take `fd` (open for reading and writing) for ourselves alone, as QEMU would; released when the last copy of `fd` is closed.

    Conflict if a VM, a QEMU tool or another understudy has it open. File systems without such locks are taken as they are.
    """
    try:
        for byte in (*(USED + bit for bit in _OURS), *(UNSHARED + bit for bit in _ALL)):
            take(fd, byte)
        taken = any(held_by_another(fd, byte) for byte in (*(USED + bit for bit in _ALL), *(UNSHARED + bit for bit in _OURS)))
    except OSError as error:
        if error.errno in WITHOUT_LOCKS:
            return
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        taken = True
    if taken:
        raise Conflict(
            f"{path} is in use: a running VM or another program holds QEMU's lock on it",
            hint="shut the VM down first (or let the other restore finish), or name another target",
        )
