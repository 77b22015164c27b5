"""A disk's blocks pack by pack, in bounded memory.

Going through the disk instead would ask for parts of each pack again and again: already the packs of a first replication hold turns of
1 MiB of four places. 128 MiB in a bucket on the loopback took 250 requests in the disk's order, and take 43 so.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from understudy.finish import first_failure
from understudy.model import BLOCK_SIZE, Rows
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.selection import Selection, packed, units
from understudy.vault.packs.frame_read import GAP, split_by_pack
from understudy.vault.packs.pack_source import Packs, PackSource

UNIT = 4 << 20
"""Bytes of blocks that are decoded at a time."""
SMALL = 128 << 10
"""Bytes of a pack that is always fetched as a whole: its key alone takes two requests."""

T = TypeVar("T")


class Share(NamedTuple):
    """What is wanted of one pack."""

    pack: PackAt
    selection: Selection
    whole: bool
    """Fetched in one request, from which its key comes, and its footer; but not where that is slow."""

    def weight(self, whole: bool) -> int:
        """Bytes that it holds while it is read, but for blocks of a whole pack."""
        if whole:
            return self.pack.size
        rows = self.selection.rows
        most = int(rows["frame_blocks"].sum()) * BLOCK_SIZE + len(rows) * GAP
        return 2 * min(most, UNIT)


def _worth_whole(pack: PackAt, rows: Rows) -> bool:
    """Whether at least half of a stored pack is wanted, or it is small."""
    if pack.seq:
        return False
    _, heads = np.unique(rows["number"], return_index=True)
    return pack.size <= SMALL or 2 * int(rows["length"][heads].sum()) >= pack.size


def shares(selection: Selection, packs: Sequence[PackAt]) -> list[Share]:
    """By the place on the disk where each pack begins."""
    if not len(selection.rows):
        return []
    parts = sorted(split_by_pack(selection), key=lambda part: int(part[1].rows["first"][0]))
    return [Share(packs[index], part, _worth_whole(packs[index], part.rows)) for index, part in parts]


async def stream(
    source: PackSource, wanted: Sequence[Share], read: Callable[[Packs, Selection], Awaitable[T]], *, ends: bool = False
) -> AsyncGenerator[T, None]:
    """read(packs, unit) for units of each share, in no order of theirs. `ends`: `PackSource.must_end`. To be closed where it may be
    left early."""
    results: asyncio.Queue[tuple[T] | BaseException | None] = asyncio.Queue(1)
    slots = asyncio.Semaphore(source.width)

    async def one(share: Share) -> None:
        at_once = share.whole and (not source.slow or share.pack.size <= SMALL)
        try:
            async with source.room.held(share.weight(at_once)):
                whole = await source.whole(share.pack, ends=ends) if at_once else None
                if ends and whole is None:
                    await source.must_end(share.pack)
                for low, high in units(share.selection.rows, UNIT, GAP):
                    unit = packed(share.selection.part(low, high))
                    if whole is None:
                        await results.put((await read(source, unit),))
                        continue
                    async with source.decoding:
                        await results.put((await read(whole, unit),))
        finally:
            slots.release()

    async def all_of_them() -> None:
        try:
            async with asyncio.TaskGroup() as running:
                for share in wanted:
                    await slots.acquire()
                    running.create_task(one(share))
        except BaseExceptionGroup as group:
            await results.put(first_failure(group))
        else:
            await results.put(None)

    reading = asyncio.create_task(all_of_them())
    try:
        while (result := await results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result[0]
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
