"""A point's map in parts: whatever a disk's size and however its extents are scattered, a part fits into memory."""

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from understudy.model import Extents, Rows, blocks_of
from understudy.vault.kinds import PointDisk
from understudy.vault.maps.checkpoint_directory import Directory
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS
from understudy.vault.maps.checkpoint_read import CheckpointDamaged, read_pages
from understudy.vault.maps.diskmap import NO_ROWS, DiskMap, PackAt, cut, merge, overlay, trusting_nothing
from understudy.vault.maps.history import History
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.resolve import Base, Delta, checked, from_newest_base, read_delta, stacked, wanted_pages

ROWS = 1 << 19
"""Rows of pages and footers that make a part: 20 MiB, and a few times that while they are merged. Of ten million scattered extents, all
in a checkpoint, the signatures are had with 251 MiB; from a map as a whole it took 1626 MiB, and a sixth more of a processor's time."""

KEPT = 1 << 16
"""A disk's only part is kept if it has no more rows: most disks are one such part, and are gone over more than once."""


@dataclass(slots=True)
class PointParts:
    """Made by `open`. Reads directory and footers once, and pages where they are asked for."""

    entry: PointEntry
    ignored: tuple[str, ...]
    """Damaged checkpoints that were passed over, up to now: the map is whole without them, but somebody should know."""
    _history: History
    _directory: Directory
    _delta: Delta
    _sizes: Mapping[bytes, int]
    _kept: dict[bytes, DiskMap] = field(default_factory=dict)

    @classmethod
    async def open(cls, history: History, point_id: bytes, disks: Collection[bytes] | None = None) -> "PointParts":
        """`NotFound` for an unknown point, `IntegrityError` for a broken chain or damaged objects. `disks`: None for all."""
        entry = history.find(point_id)
        for disk in entry.point.disks:
            checked(disk)
        sizes = {disk.id: disk.size for disk in entry.point.disks if disks is None or disk.id in disks}
        base, delta = await _opened(history, point_id)
        return cls(entry, base.ignored, history, base.directory, delta, sizes)

    @property
    def disks(self) -> tuple[PointDisk, ...]:
        """In the order of the point's record."""
        return tuple(disk for disk in self.entry.point.disks if disk.id in self._sizes)

    def ranges(self, disk_id: bytes) -> Extents:
        """The disk in consecutive ranges, each with rows for one part, or as many as one region has."""
        blocks = blocks_of(self._sizes[disk_id])
        regions, counts = _weights(self._directory, self._delta, disk_id)
        starts, held = [0], 0
        for region, count in zip(regions.tolist(), counts.tolist(), strict=True):
            if held and held + count > ROWS and 0 < region * REGION_BLOCKS < blocks:
                starts.append(region * REGION_BLOCKS)
                held = 0
            held += count
        first = np.array(starts, dtype=np.int64)
        return np.stack([first, np.diff(np.append(first, blocks))], axis=1)

    async def part(self, disk_id: bytes, first: int, blocks: int) -> DiskMap:
        """The map of one range. `IntegrityError` for what is damaged in it and can be had from nowhere else."""
        whole = (first, blocks) == (0, blocks_of(self._sizes[disk_id]))
        if whole and disk_id in self._kept:
            return self._kept[disk_id]
        while True:
            pages = wanted_pages(self._directory, {disk_id: self._sizes[disk_id]}, (first, blocks))
            try:
                found = await read_pages(self._history, pages, self._delta.table)
            except CheckpointDamaged as error:
                await self._without(error)
                continue
            below = await asyncio.to_thread(stacked, self._directory, pages, found)
            mapped = await asyncio.to_thread(self._laid, disk_id, below.get(disk_id, NO_ROWS), first, blocks)
            if whole and len(mapped.rows) <= KEPT:
                self._kept[disk_id] = mapped
            return mapped

    async def packs(self) -> list[PackAt]:
        """All that the maps of all these disks refer to. Reads every part."""
        found: dict[bytes, PackAt] = {}
        for disk in self.disks:
            for first, blocks in self.ranges(disk.id).tolist():
                mapped = await self.part(disk.id, first, blocks)
                found.update((mapped.packs[index].id, mapped.packs[index]) for index in np.unique(mapped.rows["pack"]).tolist())
        return list(found.values())

    def _laid(self, disk_id: bytes, below: Rows, first: int, blocks: int) -> DiskMap:
        size = self._sizes[disk_id]
        blocks = max(0, min(blocks, blocks_of(size) - first))
        with trusting_nothing(f"disk {disk_id.hex()}"):
            above = merge([_near(rows, first, blocks) for rows in self._delta.layers.get(disk_id, ())])
            rows = cut(overlay(below, above, drop_zero=True), first, blocks)
        return DiskMap(disk_id, size, rows, self._delta.table.packs)

    async def _without(self, error: CheckpointDamaged) -> None:
        """Go on from an older checkpoint: what this one says, the footers since that one say, too."""
        point = self._directory.point
        if point in self._history.maps:
            raise error  # no shortcut: what it was made from may be gone
        rest = tuple(checkpoint for checkpoint in self._history.checkpoints if checkpoint.point != point)
        self._history = replace(self._history, checkpoints=rest)
        base, self._delta = await _opened(self._history, self.entry.point.id)
        self._directory = base.directory
        self.ignored += (error.message, *base.ignored)


async def _opened(history: History, point_id: bytes) -> tuple[Base, Delta]:
    async def read(base: Base) -> tuple[Base, Delta]:
        return base, await read_delta(history, base)

    return await from_newest_base(history, point_id, read)


def _weights(directory: Directory, delta: Delta, disk_id: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ascending regions of which something is told, and by how many rows."""
    regions, counts = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for disk in directory.disks:
        if disk.disk_id == disk_id:
            regions.append(disk.pages["region"].astype(np.int64))
            counts.append(disk.pages["rows"].astype(np.int64))
    for rows in delta.layers.get(disk_id, ()):
        found, held = np.unique(rows["first"] // np.uint64(REGION_BLOCKS), return_counts=True)
        regions.append(found.astype(np.int64))
        counts.append(held)
    told, owner = np.unique(np.concatenate(regions), return_inverse=True)
    return told, np.bincount(owner, np.concatenate(counts), len(told)).astype(np.int64)


def _near(rows: Rows, first: int, blocks: int) -> Rows:
    """What of sorted rows lies in a range. Looks at few of them: each part would go over all otherwise."""
    column: Any = rows["first"]
    low = max(0, bisect_right(column, first) - 1)
    return cut(rows[low : bisect_left(column, first + blocks)], first, blocks)
