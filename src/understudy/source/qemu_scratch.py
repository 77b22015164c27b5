"""Space for what the guest overwrites during a freeze. Were it to run out, the guest's own writes would fail: so it is taken from the
file system beforehand, more is taken in time, and where there is no more the freeze goes first."""

import asyncio
import ctypes
import errno
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from understudy.durable import NEEDS_ROOM
from understudy.errors import SourceRefused, StateFailed
from understudy.qemu.lifeline import FileLimit, SpaceLimit
from understudy.source.qemu_server import OTHER_USER

RESERVE = 2 << 30
"""Bytes of scratch space that a freeze takes, where the disks are not smaller; and as many again when a quarter of a file is used."""

INTERVAL = 0.25
"""Seconds between two looks: what a guest can overwrite in that time must fit into what is left when the freeze is given up."""

KEEP_SIZE = 1
"""Of fallocate(2): take blocks beyond the end of a file, which only grows when they are written."""
UNABLE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
"""What a file system says that cannot take space beforehand."""

_libc = ctypes.CDLL(None, use_errno=True)


def largest(disk: int) -> int:
    """Bytes that a scratch file for a disk of this size may come to: each cluster once, its tables and reference counts."""
    return disk + (disk >> 10) + (2 << 20)


def shares(largest: Sequence[int], reserve: int) -> list[int]:
    """`reserve` bytes divided among files: equally, but none gets more than it can use."""
    given, left = [0] * len(largest), reserve
    for rank, index in enumerate(sorted(range(len(largest)), key=lambda index: largest[index])):
        given[index] = min(largest[index], left // (len(largest) - rank))
        left -= given[index]
    return given


@dataclass(slots=True)
class _File:
    largest: int
    reserved: int


class Space:
    """The scratch files of one freeze in `directory`: for each its `largest` size, and how much it is given first."""

    def __init__(self, directory: Path, files: Mapping[Path, tuple[int, int]]) -> None:
        self._directory = directory
        self._files = {path: _File(most, given) for path, (most, given) in files.items()}
        self._taken = False
        self._floor = sum(file.reserved for file in self._files.values()) // 2
        """Free bytes below which the freeze is given up, where none can be taken beforehand."""

    async def prepare(self) -> None:
        """Make the directory. `StateFailed`, which may pass, if that fails or there is not enough space."""
        needed = sum(file.reserved for file in self._files.values())
        try:
            await asyncio.to_thread(partial(self._directory.mkdir, mode=0o700, parents=True, exist_ok=True))
            free = await asyncio.to_thread(free_bytes, self._directory)
        except OSError as error:
            raise StateFailed(f"{self._directory}: {error.strerror}", hint=NEEDS_ROOM) from error
        if free < needed:
            raise self._short(free, needed)

    async def take(self) -> None:
        """Once the files exist: nobody else can have this space until they are removed."""
        for path, file in self._files.items():
            try:
                self._taken = await asyncio.to_thread(_take, path, file.reserved)
            except PermissionError as error:
                raise SourceRefused(f"{path}: {error.strerror}", hint=OTHER_USER) from error
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise StateFailed(f"{path}: {error.strerror}", hint=NEEDS_ROOM) from error
                raise self._short(free_bytes(self._directory), file.reserved) from error

    def limits(self) -> tuple[tuple[FileLimit, ...], tuple[SpaceLimit, ...]]:
        """Beyond these nobody may wait for this process, should it sleep."""
        if not self._taken:
            return (), (SpaceLimit(self._directory, self._floor // 2),)
        return tuple(FileLimit(path, file.reserved * 5 // 8) for path, file in self._files.items() if file.reserved < file.largest), ()

    def look(self) -> str:
        """Take more where it is needed soon. Why the freeze must be given up; empty while it need not."""
        if not self._taken:
            free = free_bytes(self._directory)
            return f"only {free >> 20} MiB were left in {self._directory}" if free < self._floor else ""
        for path, file in self._files.items():
            used = path.stat().st_size
            if file.reserved < file.largest and used > file.reserved // 4 and not self._more(path, file) and used > file.reserved // 2:
                return f"{used >> 20} of {file.reserved >> 20} MiB were used and no more were left in {self._directory}"
        return ""

    def _more(self, path: Path, file: _File) -> bool:
        wanted = min(2 * file.reserved, file.largest)
        if free_bytes(self._directory) < wanted - file.reserved:
            return False
        try:
            _take(path, wanted)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return False
        file.reserved = wanted
        return True

    def _short(self, free: int, needed: int) -> StateFailed:
        return StateFailed(
            f"{self._directory} has {free >> 20} MiB free; a freeze of this VM needs {needed >> 20} MiB there, "
            "since the guest's writes would fail if it filled up",
            hint="free some space, or put the state directory on a larger file system",
        )


async def watch(
    space: Space,
    starved: Callable[[], Awaitable[bool]],
    renewed: Callable[[], Awaitable[None]],
    give_up: Callable[[str], Awaitable[None]],
) -> None:
    """Look until space is short, or was and the guest is `starved`; then say so, once. `renewed`: there are other limits now."""
    while True:
        await asyncio.sleep(INTERVAL)
        before = space.limits()
        short = await asyncio.to_thread(space.look)
        if await starved():
            return await give_up("writes of the guest failed, since what they overwrite could not be saved in its scratch file")
        if short:
            return await give_up(f"{short}, and the guest's writes would have failed next")
        if space.limits() != before:
            await renewed()


def free_bytes(directory: Path) -> int:
    """What an unprivileged process may still write."""
    state = os.statvfs(directory)
    return state.f_bavail * state.f_frsize


def _take(path: Path, length: int) -> bool:
    """Whether this file system can. OSError if it could not."""
    with path.open("rb+") as file:
        if _libc.fallocate(file.fileno(), KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(length)) == 0:
            return True
    number = ctypes.get_errno()
    if number in UNABLE:
        return False
    raise OSError(number, os.strerror(number), os.fspath(path))
