"""Read a point's disks: at random, as a stream of everything that is not zero, or only their signatures."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

import numpy as np

from understudy.errors import NotFound
from understudy.model import BLOCK_SIZE, SIGNATURE_SIZE, Bytes, Extents, Signatures
from understudy.pages import Buffers
from understudy.vault.kinds import PointDisk
from understudy.vault.maps.diskmap import DiskMap, PackTable, differing, repack
from understudy.vault.maps.history import History
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.resolve import PointMap
from understudy.vault.maps.selection import Index, Selection, extents_of, packed, units
from understudy.vault.maps.streaming import UNIT, Share, shares, stream
from understudy.vault.packs.frame_read import GAP, read_blocks, read_signatures
from understudy.vault.packs.pack_source import Packs, PackSource

AHEAD = 3
"""Units of signatures being read beside the one that the consumer has."""
SIGNATURES_UNIT = 64 << 20
"""Plaintext whose signatures come at once: 256 KiB of them."""

T = TypeVar("T")


class SignedBlocks(NamedTuple):
    """Blocks as they were decoded, and the signatures that their packs' footers say they have."""

    extents: Extents
    data: Bytes
    signatures: Signatures


class DiskReader:
    """One disk as it was at one point. Wherever something is not what was written: `IntegrityError`, and no wrong byte."""

    def __init__(self, source: PackSource, disk: PointDisk, mapped: DiskMap) -> None:
        self.source = source
        self._disk = disk
        self.map = mapped
        self._index = Index.of(mapped.rows)

    @property
    def disk(self) -> PointDisk:
        return self._disk

    def data(self) -> Extents:
        """Blocks outside these are zero."""
        return extents_of(self.map.rows)

    def differing(self, other: "DiskReader") -> Extents:
        """Blocks that come from another frame than in `other`, the same disk at another point: all that differ, rarely more."""
        table = PackTable()
        mine = repack(self.map.rows, self.map.packs, table)
        theirs = repack(other.map.rows, other.map.packs, table)
        return differing(mine, theirs)

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        """Fill `buffer` with the extents' blocks, one after the other; what is not mapped is zero."""
        if int(extents[:, 1].sum()) * BLOCK_SIZE != len(buffer):
            raise ValueError(f"{len(buffer)} bytes for {int(extents[:, 1].sum())} blocks")
        selection = self._index.select(extents)
        if int(selection.rows["blocks"].sum()) * BLOCK_SIZE < len(buffer):
            buffer[:] = 0
        for low, high in units(selection.rows, UNIT, GAP):
            await read_blocks(self.source, self._disk.id, self.map.packs, selection.part(low, high), buffer)

    async def stream(self, extents: Extents | None = None, buffers: Buffers | None = None) -> AsyncGenerator[tuple[Extents, Bytes], None]:
        """Everything that is not a hole (of `extents`), pack by pack, some MiB at a time; a buffer belongs to who receives it, and may be
        given back to `buffers`.

        Reads ahead and decodes in threads. Close it (contextlib.aclosing) where it may be left early.
        """

        async def read(packs: Packs, unit: Selection) -> tuple[Extents, Bytes]:
            return extents_of(unit.rows), await self._blocks(packs, unit, buffers)

        async with aclosing(stream(self.source, self._shares(extents), read)) as results:
            async for result in results:
                yield result

    async def signatures(self, extents: Extents | None = None) -> AsyncGenerator[tuple[Extents, Signatures], None]:
        """The signatures of the same blocks, from the footers, in order. Needs no recovery key."""

        async def read(unit: Selection) -> tuple[Extents, Signatures]:
            return extents_of(unit.rows), await self._signatures(self.source, unit)

        async with aclosing(_ahead(self._units(extents), read)) as results:
            async for result in results:
                yield result

    async def signed_stream(self, extents: Extents | None = None) -> AsyncGenerator[SignedBlocks, None]:
        """`stream` and `signatures` in step, for who signs what came out and compares. Packs must end where they should."""

        async def read(packs: Packs, unit: Selection) -> SignedBlocks:
            data = await self._blocks(packs, unit, None)
            return SignedBlocks(extents_of(unit.rows), data, await self._signatures(packs, unit))

        async with aclosing(stream(self.source, self._shares(extents), read, ends=True)) as results:
            async for result in results:
                yield result

    def _shares(self, extents: Extents | None) -> list[Share]:
        return shares(Selection(self.map.rows, self._index.first) if extents is None else self._index.select(extents), self.map.packs)

    def _units(self, extents: Extents | None) -> Iterator[Selection]:
        selection = Selection(self.map.rows, self._index.first) if extents is None else self._index.select(extents)
        for low, high in units(selection.rows, SIGNATURES_UNIT, GAP):
            yield packed(selection.part(low, high))

    async def _blocks(self, packs: Packs, unit: Selection, buffers: Buffers | None) -> Bytes:
        size = int(unit.rows["blocks"].sum()) * BLOCK_SIZE
        out = np.empty(size, dtype=np.uint8) if buffers is None else buffers.take(size)
        await read_blocks(packs, self._disk.id, self.map.packs, unit, out)
        return out

    async def _signatures(self, packs: Packs, unit: Selection) -> Signatures:
        out = np.empty((int(unit.rows["blocks"].sum()), SIGNATURE_SIZE), dtype=np.uint8)
        await read_signatures(packs, self._disk.id, self.map.packs, unit, out)
        return out


class LargeDisk:
    """One disk as it was at one point, whatever its size: its map is had in parts, one at a time."""

    def __init__(self, source: PackSource, disk: PointDisk, parts: PointParts) -> None:
        self._source = source
        self._disk = disk
        self._parts = parts

    @property
    def disk(self) -> PointDisk:
        return self._disk

    def ranges(self) -> Extents:
        """The disk in consecutive ranges, each for one part."""
        return self._parts.ranges(self._disk.id)

    async def part(self, first: int, blocks: int) -> DiskReader:
        """The disk as if outside this range all were zero."""
        return DiskReader(self._source, self._disk, await self._parts.part(self._disk.id, first, blocks))

    async def signatures(self) -> AsyncGenerator[tuple[Extents, Signatures], None]:
        """Of everything that is not a hole, from the footers, in order. Needs no recovery key."""
        for first, blocks in self.ranges().tolist():
            async with aclosing((await self.part(first, blocks)).signatures()) as chunks:
                async for chunk in chunks:
                    yield chunk


def large_disks(history: History, parts: PointParts) -> tuple[LargeDisk, ...]:
    """A point's disks, which share what they fetch."""
    source = PackSource(history)
    return tuple(LargeDisk(source, disk, parts) for disk in parts.disks)


class PointReader:
    """A resolved point's disks, which share what they fetch."""

    def __init__(self, history: History, point: PointMap) -> None:
        source = PackSource(history)
        self._disks = {
            disk.id: DiskReader(source, disk, point.disks[disk.id]) for disk in point.entry.point.disks if disk.id in point.disks
        }

    @property
    def disks(self) -> tuple[DiskReader, ...]:
        """In the order of the point's record."""
        return tuple(self._disks.values())

    def disk(self, disk_id: bytes) -> DiskReader:
        """`NotFound` if the point has no such disk, or it was not resolved."""
        if disk_id not in self._disks:
            raise NotFound(f"the recovery point has no disk {disk_id.hex()}")
        return self._disks[disk_id]


async def _ahead(items: Iterator[Selection], read: Callable[[Selection], Coroutine[Any, Any, T]]) -> AsyncGenerator[T, None]:
    """read(item) for all items in their order, AHEAD of them under way while the consumer works."""
    tasks: deque[asyncio.Task[T]] = deque()
    try:
        for item in items:
            tasks.append(asyncio.create_task(read(item)))
            if len(tasks) > AHEAD:
                yield await tasks.popleft()
        while tasks:
            yield await tasks.popleft()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
