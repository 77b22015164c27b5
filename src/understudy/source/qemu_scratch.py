"""Space for what the guest overwrites during a freeze. Were it to run out, the guest's own writes would fail: the freeze goes first."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from understudy.errors import StateFailed

RESERVE = 2 << 30
"""Bytes of scratch space that a freeze asks for, where the disks are not smaller."""

INTERVAL = 0.25
"""Seconds between two looks: what a guest can overwrite in that time must fit into what is left when the freeze is given up."""


def required(disks: int, reserve: int) -> int:
    """Free bytes without which no freeze begins; `disks`: the disks' sizes together, beyond which scratch files cannot grow."""
    return min(disks, reserve)


def floor(disks: int, reserve: int) -> int:
    """Free bytes below which a freeze is given up."""
    return required(disks, reserve) // 2


async def prepare_scratch(directory: Path, disks: int, reserve: int) -> None:
    """Make the directory. `StateFailed`, which may pass, if that fails or a freeze might fill the disk."""
    try:
        await asyncio.to_thread(partial(directory.mkdir, mode=0o700, parents=True, exist_ok=True))
        free, needed = await asyncio.to_thread(free_bytes, directory), required(disks, reserve)
    except OSError as error:
        raise StateFailed(f"{directory}: {error.strerror}", hint="the state directory must be writable and not full") from error
    if free < needed:
        raise StateFailed(
            f"{directory} has {free >> 20} MiB free; a freeze of this VM needs {needed >> 20} MiB there, "
            "since the guest's writes would fail if it filled up",
            hint="free some space, or put the state directory on a larger file system",
        )


async def watch(directory: Path, limit: int, starved: Callable[[], Awaitable[bool]], give_up: Callable[[str], Awaitable[None]]) -> None:
    """Look until space is short, or was and the guest is `starved`; then say so, once."""
    while True:
        await asyncio.sleep(INTERVAL)
        free = await asyncio.to_thread(free_bytes, directory)
        if await starved():
            return await give_up(f"writes of the guest failed, since what they overwrite could not be saved in {directory}")
        if free < limit:
            return await give_up(f"only {free >> 20} MiB were left in {directory}, and the guest's writes would have failed next")


def free_bytes(directory: Path) -> int:
    """What an unprivileged process may still write."""
    state = os.statvfs(directory)
    return state.f_bavail * state.f_frsize
