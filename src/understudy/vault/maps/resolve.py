"""A point's extent maps: the newest usable checkpoint at or before it, and the footers of the points after that."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np

from understudy.errors import IntegrityError
from understudy.model import Rows, blocks_of
from understudy.vault.concurrent import each
from understudy.vault.kinds import PackRef, PointDisk
from understudy.vault.maps.checkpoint_directory import DISK_SIZE_MAX, Directory, DiskPages, stack
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS
from understudy.vault.maps.checkpoint_read import CheckpointDamaged, PageAt, read_directory, read_pages
from understudy.vault.maps.diskmap import NO_ROWS, DiskMap, PackAt, PackTable, cut, merge, overlay, pieces_of, trusting_nothing, zero_rows
from understudy.vault.maps.history import History
from understudy.vault.maps.lineage import trace
from understudy.vault.maps.points import PointEntry
from understudy.vault.packs.footer import Footer
from understudy.vault.packs.pack_fetch import fetch_footer, inline_footer

IN_FLIGHT = 8
TOGETHER = 128
"""Points whose packs are named, and then read: those in records are at hand still. To name those of 10 000 first took a second reading of
all their records: 17 s instead of 14 for a collection."""

T = TypeVar("T")

PackRows: TypeAlias = tuple[PackAt, Mapping[bytes, Rows]]
"""A pack, and its rows by disk."""


@dataclass(frozen=True, slots=True)
class PointMap:
    """Where everything in a point is. A disk outside what was asked for is not in `disks`."""

    entry: PointEntry
    disks: Mapping[bytes, DiskMap]
    ignored: tuple[str, ...] = ()
    """Damaged checkpoints that were passed over: the map is whole without them, but somebody should know."""


@dataclass(slots=True)
class Delta:
    """What points lay on a checkpoint's maps: for each disk rows (zeros kept), oldest point first."""

    table: PackTable = field(default_factory=PackTable)
    layers: dict[bytes, list[Rows]] = field(default_factory=dict)

    def rows(self, disk_id: bytes) -> Rows:
        with trusting_nothing(f"disk {disk_id.hex()}"):
            return merge(self.layers.get(disk_id, []))


@dataclass(frozen=True, slots=True)
class Base:
    """A checkpoint to start from, or nothing."""

    directory: Directory
    entries: tuple[PointEntry, ...]
    """The points to lay on it."""
    ignored: tuple[str, ...]


async def resolve(
    history: History, point_id: bytes, disks: Collection[bytes] | None = None, region: tuple[int, int] | None = None
) -> PointMap:
    """The maps of a point: all disks or some, whole or (first block, blocks) of each. Reads nothing that it does not need.

    `NotFound` for an unknown point, `IntegrityError` for a chain that is broken or objects that are damaged.
    """
    entry = history.find(point_id)
    for disk in entry.point.disks:
        checked(disk)
    sizes = {disk.id: disk.size for disk in entry.point.disks if disks is None or disk.id in disks}

    async def read(base: Base) -> tuple[Base, Delta, dict[bytes, Rows]]:
        delta = await read_delta(history, base)
        wanted = wanted_pages(base.directory, sizes, region)
        pages = await read_pages(history, wanted, delta.table)
        return base, delta, await asyncio.to_thread(stacked, base.directory, wanted, pages)

    base, delta, below = await from_newest_base(history, point_id, read)
    packs = tuple(delta.table.packs)

    def lay() -> dict[bytes, DiskMap]:
        return {
            disk: DiskMap(disk, size, _finish(delta, disk, below.get(disk, NO_ROWS), size, region), packs) for disk, size in sizes.items()
        }

    return PointMap(entry, await asyncio.to_thread(lay), base.ignored)


def _finish(delta: Delta, disk_id: bytes, below: Rows, size: int, region: tuple[int, int] | None) -> Rows:
    first, end = _window(size, region)
    above = delta.rows(disk_id)
    with trusting_nothing(f"disk {disk_id.hex()}"):
        return cut(overlay(below, above, drop_zero=True), first, end - first)


def _window(size: int, region: tuple[int, int] | None) -> tuple[int, int]:
    """First block and end of what was asked for."""
    blocks = blocks_of(size)
    if region is None:
        return 0, blocks
    first = min(max(region[0], 0), blocks)
    return first, min(first + max(region[1], 0), blocks)


def checked(disk: PointDisk) -> int:
    """Its blocks; `IntegrityError` for more than any disk has."""
    if not 0 <= disk.size < DISK_SIZE_MAX:
        raise IntegrityError(f"disk {disk.id.hex()}: a record says that it has {disk.size} bytes")
    return blocks_of(disk.size)


async def from_newest_base(history: History, point_id: bytes, read: Callable[[Base], Awaitable[T]]) -> T:
    """What `read` makes of the nearest checkpoint, walking back: one that is damaged is passed over, and the base says so."""
    usable = {checkpoint.point: checkpoint for checkpoint in reversed(history.checkpoints)} | dict(history.maps)
    ignored: list[str] = []
    while True:
        lineage = trace(history.entries, point_id, usable)
        if lineage.start is None:
            return await read(Base(Directory(b"", (), ()), lineage.entries, tuple(ignored)))
        try:
            directory = await read_directory(history, usable[lineage.start])
            return await read(Base(directory, lineage.entries, tuple(ignored)))
        except CheckpointDamaged as error:
            if lineage.start in history.maps:
                raise  # no shortcut: what it was made from may be gone
            ignored.append(error.message)
            del usable[lineage.start]


async def read_delta(history: History, base: Base) -> Delta:
    """Rows of all points after the base, from their packs' footers."""
    return laid(base, await read_packs(history, base.entries))


async def read_packs(history: History, entries: Sequence[PointEntry]) -> list[list[PackRows]]:
    """For each point its packs in the order in which they are laid."""
    found: list[list[PackRows]] = []
    for at in range(0, len(entries), TOGETHER):
        found += await _read_packs(history, entries[at : at + TOGETHER])
    return found


async def _read_packs(history: History, entries: Sequence[PointEntry]) -> list[list[PackRows]]:
    lanes = max(IN_FLIGHT, history.store.capabilities.parallel)
    listed = await each(IN_FLIGHT, history.packs_of, entries)
    work = [(entry, pack) for entry, packs in zip(entries, listed, strict=True) for pack in packs]
    pieces = iter(await each(lanes, lambda item: _read_pieces(history, *item), work))
    return [[(pack, next(pieces)) for pack in packs] for packs in listed]


def laid(base: Base, packs: Sequence[Sequence[PackRows]]) -> Delta:
    """The packs of each of the base's points, in their order. Their rows are written to."""
    delta = Delta()
    sizes = {disk.disk_id: blocks_of(disk.size) for disk in base.directory.disks}
    for entry, brought in zip(base.entries, packs, strict=True):
        now = {disk.id: checked(disk) for disk in entry.point.disks}
        for disk_id, blocks in sizes.items():
            # Shrunk, or gone: what was there must not come back when the disk grows or returns.
            hidden = zero_rows(now.get(disk_id, 0), blocks)
            if len(hidden):
                delta.layers.setdefault(disk_id, []).append(hidden)
        for pack, pieces in brought:
            index = delta.table.index(pack)
            for disk_id, rows in pieces.items():
                end = int(rows["first"][-1]) + int(rows["blocks"][-1])
                if end > now.get(disk_id, 0):
                    raise IntegrityError(f"pack {pack.id.hex()}: holds block {end - 1} of disk {disk_id.hex()}, which point lacks it")
                rows["pack"] = index
                delta.layers.setdefault(disk_id, []).append(rows)
        sizes = now
    return delta


async def _read_pieces(history: History, entry: PointEntry, pack: PackAt) -> dict[bytes, Rows]:
    ref = PackRef(id=pack.id, size=pack.size, hash=pack.hash)
    if pack.seq:
        footer = inline_footer(history.access, history.machine_id, ref, await history.inline_of(entry))
    else:
        footer = await fetch_footer(history.reader, history.access, history.machine_id, ref)
    return await asyncio.to_thread(_by_disk, footer) if len(footer.frames) > 1000 else _by_disk(footer)


def _by_disk(footer: Footer) -> dict[bytes, Rows]:
    frames = footer.frames
    return {footer.disks[i]: pieces_of(frames[frames["disk"] == i], 0) for i in np.unique(frames["disk"]).tolist()}


def wanted_pages(directory: Directory, sizes: Mapping[bytes, int], region: tuple[int, int] | None) -> list[PageAt]:
    """The checkpoint's pages of these disks, of the regions that are asked for."""
    wanted: list[PageAt] = []
    for disk in directory.disks:
        if disk.disk_id in sizes:
            first, end = _window(disk.size, region)
            # Of regions only those that have pages: a directory may give a disk any size.
            regions = np.unique(disk.pages["region"]).astype(np.int64)
            regions = regions[(regions >= first // REGION_BLOCKS) & (regions < -(-end // REGION_BLOCKS))]
            wanted += pages_at(directory, disk, regions.tolist())
    return wanted


def pages_at(directory: Directory, disk: DiskPages, regions: Iterable[int]) -> list[PageAt]:
    """The pages of these regions of a disk; within a region newest first."""
    return [
        PageAt(directory.objects[page[1]], page[2], page[3], disk.disk_id, region, page[5])
        for region in regions
        for page in stack(disk.pages, region).tolist()
    ]


def stacked(directory: Directory, wanted: Sequence[PageAt], rows: Sequence[Rows]) -> dict[bytes, Rows]:
    """Each region's stack merged, then a disk's regions one after the other, up to the disk's end: a page may tell of what lay past it."""
    stacks: dict[tuple[bytes, int], list[Rows]] = {}
    for page, found in zip(wanted, rows, strict=True):
        stacks.setdefault((page.disk_id, page.region), []).insert(0, found)
    disks: dict[bytes, list[Rows]] = {}
    for (disk_id, _), layers in stacks.items():
        disks.setdefault(disk_id, []).append(merge(layers))
    blocks = {disk.disk_id: blocks_of(disk.size) for disk in directory.disks}
    return {disk_id: cut(np.concatenate(parts), 0, blocks[disk_id]) for disk_id, parts in disks.items()}
