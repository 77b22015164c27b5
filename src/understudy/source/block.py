"""Files and block devices without any record of changes: every cycle compares signatures."""

import asyncio
import time
from collections.abc import Mapping
from functools import partial

from understudy.errors import SourceRefused
from understudy.finish import finish, finish_in_thread
from understudy.model import Bytes, Definition, DiskInfo, Extents, Untracked
from understudy.source.media import Medium, open_medium
from understudy.source.protocol import CRASH, Snapshot, SourceInfo, Wish

METHOD = "read in place"


class BlockSnapshot:
    """One open file or device. Not frozen, but whoever writes to a file meanwhile is noticed."""

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self._reading: set[asyncio.Task[None]] = set()
        self._open = True

    @property
    def info(self) -> DiskInfo:
        return self._medium.info

    async def changed(self) -> Untracked:
        return Untracked()

    async def allocated(self) -> Extents:
        return await finish_in_thread(self._usable().allocated)

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        task = asyncio.ensure_future(finish_in_thread(partial(self._usable().read, extents, buffer)))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        await task

    async def close(self) -> None:
        """Wait for reads that are under way, then let go of the file: its number must not be reused under them."""
        if self._open:
            self._open = False
            if self._reading:
                await asyncio.wait(self._reading)
            self._medium.close()

    def _usable(self) -> Medium:
        if not self._open:
            raise SourceRefused(f"the view of disk '{self._medium.name}' has ended")
        return self._medium


class BlockSource:
    """Disk names to paths of files or block devices."""

    def __init__(self, disks: Mapping[str, str]) -> None:
        self._paths = dict(disks)
        self._frozen: list[BlockSnapshot] = []

    async def probe(self) -> SourceInfo:
        media = await self._open()
        for medium in media:
            medium.close()
        return SourceInfo("block", METHOD, tuple(medium.info for medium in media), self._definition())

    async def relieve(self) -> None:
        """There is nothing that a killed process could leave behind."""

    async def recover(self, newest: str | None) -> None:
        """There is nothing that a killed process could leave behind."""

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        if self._frozen:
            raise SourceRefused("these disks are frozen already")
        gate = wish.gate
        if gate is not None:
            await gate.prepared()
            await gate.ready()
        frozen_at = time.time_ns()
        self._frozen = [BlockSnapshot(medium) for medium in await self._open()]
        try:
            if gate is not None:
                # Whoever writes from here on is noticed, so the disks stand still.
                await gate.stopped()
                await gate.frozen()
        except BaseException:
            await finish(self.release(False))
            raise
        return Snapshot(frozen_at, METHOD, "crash", tuple(self._frozen), self._definition())

    async def release(self, committed: bool | None) -> None:
        frozen, self._frozen = self._frozen, []
        for snapshot in frozen:
            await snapshot.close()

    async def pending(self) -> int | None:
        return None

    async def remove(self) -> None:
        await self.release(None)

    async def close(self) -> None:
        await self.release(None)

    async def _open(self) -> list[Medium]:
        if not self._paths:
            raise SourceRefused("no disks were named", hint="name at least one file or block device")
        return await finish_in_thread(partial(_open_all, self._paths))

    def _definition(self) -> Definition:
        return {"kind": "block", "disks": {name: {"path": path} for name, path in self._paths.items()}}


def _open_all(paths: Mapping[str, str]) -> list[Medium]:
    media: list[Medium] = []
    try:
        for name, path in paths.items():
            media.append(open_medium(name, path))
    except BaseException:
        for medium in media:
            medium.close()
        raise
    return media
