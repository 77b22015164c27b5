"""What each kept point's maps have that those before it have not: from footers and operators' maps, never from a source's checkpoint."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from understudy.model import Extents, Rows
from understudy.native.layout import KIND_ZERO, PIECE
from understudy.vault.collect.pages import Pages
from understudy.vault.maps.checkpoint_directory import PAGE, Directory, DiskPages, stack
from understudy.vault.maps.checkpoint_read import PageAt, read_directory
from understudy.vault.maps.diskmap import NO_ROWS, PackTable, differing, overlay, repack
from understudy.vault.maps.history import History
from understudy.vault.maps.lineage import Lineage, trace
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.resolve import TOGETHER, Base, laid, pages_at, read_packs, stacked
from understudy.vault.maps.selection import Index

NOTHING = Directory(b"", (), ())


@dataclass(frozen=True, slots=True)
class Change:
    """Laid on the maps of `before` (an earlier change's point; None: empty maps), `rows` give the maps of `entry`'s point.

    rows: by disk, PIECE rows with zeros kept, PIECE.pack as an index into the sweep's table. What no row of any change names,
    no kept point needs.
    """

    entry: PointEntry
    before: bytes | None
    rows: Mapping[bytes, Rows]


@dataclass(frozen=True, slots=True)
class _Step:
    """From the maps of `before`, changed by `below`, through the points that are laid on the base, to the maps of `entry`'s point."""

    entry: PointEntry
    before: bytes | None
    base: Base
    below: Mapping[bytes, Rows]

    @property
    def slight(self) -> bool:
        """Whether all that it takes is in records."""
        return not self.below and not any(entry.point.packs or entry.point.packs_in for entry in self.base.entries)


async def changes(history: History, table: PackTable) -> AsyncIterator[list[Change]]:
    """All kept points, oldest first, in groups. Each footer since the newest repack is read once, and of its maps what differs from point
    to point. Points that brought little are read together: `usage` of 10 000 took 17 s one by one, and takes 9.

    `IntegrityError` for whatever cannot be read or does not fit: nothing may be concluded from the rest then.
    """
    history = replace(history, checkpoints=())
    pages = Pages(history, table)
    done: dict[bytes, PointEntry] = {}
    known = set(history.maps)
    mapped: bytes | None = None
    steps: list[_Step] = []
    read = 0
    for entry in history.points:
        point = entry.point.id
        lineage = Lineage(point, ()) if point in history.maps else trace(history.entries, point, known, entry.seq)
        step = await _step(history, entry, lineage, done, mapped, pages)
        read += len(lineage.entries)
        if steps and not (step.slight and steps[0].slight and read <= TOGETHER):
            yield await _made(history, steps, table)
            steps, read = [], len(lineage.entries)
        steps.append(step)
        done[point] = entry
        known.add(point)
        if point in history.maps:
            mapped = point
    if steps:
        yield await _made(history, steps, table)


async def _step(
    history: History,
    entry: PointEntry,
    lineage: Lineage,
    done: Mapping[bytes, PointEntry],
    mapped: bytes | None,
    pages: Pages,
) -> _Step:
    """`mapped`: the newest point before it that a repack has a map of."""
    before, base, below = lineage.start, NOTHING, dict[bytes, Rows]()
    if before is not None and before in done:
        # Only its disks' sizes matter to what is laid on it.
        sizes = tuple(DiskPages(disk.id, disk.size, np.empty(0, dtype=PAGE)) for disk in done[before].point.disks)
        base = Directory(before, (), sizes)
    elif before is not None:
        base = await read_directory(history, history.maps[before])
        old = NOTHING if mapped is None else await read_directory(history, history.maps[mapped])
        before, below = mapped, await difference(pages, old, base)
    return _Step(entry, before, Base(base, lineage.entries, ()), below)


async def _made(history: History, steps: Sequence[_Step], table: PackTable) -> list[Change]:
    packs = iter(await read_packs(history, [entry for step in steps for entry in step.base.entries]))

    def made(step: _Step) -> Change:
        delta = laid(step.base, list(islice(packs, len(step.base.entries))))
        above = {disk: repack(delta.rows(disk), delta.table.packs, table) for disk in delta.layers}
        rows = {disk: overlay(step.below.get(disk, NO_ROWS), above.get(disk, NO_ROWS)) for disk in step.below.keys() | above.keys()}
        return Change(step.entry, step.before, rows)

    return await asyncio.to_thread(lambda: [made(step) for step in steps])


async def difference(pages: Pages, old: Directory, new: Directory) -> dict[bytes, Rows]:
    """What makes the maps of `old` those of `new`. Reads only regions whose pages are not the same ones."""
    mine, theirs = ({disk.disk_id: disk for disk in directory.disks} for directory in (new, old))
    empty = np.empty(0, dtype=PAGE)
    wanted: dict[bytes, tuple[list[PageAt], list[PageAt]]] = {}
    for disk_id in mine.keys() | theirs.keys():
        pair = [disks.get(disk_id, DiskPages(disk_id, 0, empty)) for disks in (mine, theirs)]
        regions = [
            region
            for region in np.unique(np.concatenate([disk.pages["region"] for disk in pair])).tolist()
            if _identity(new, pair[0], region) != _identity(old, pair[1], region) or pair[0].size != pair[1].size
        ]
        wanted[disk_id] = (pages_at(new, pair[0], regions), pages_at(old, pair[1], regions))
    rows_of = [
        await _rows(pages, directory, [page for sides in wanted.values() for page in sides[side]])
        for side, directory in enumerate((new, old))
    ]

    def compare() -> dict[bytes, Rows]:
        found: dict[bytes, Rows] = {}
        for disk_id in wanted:
            now = rows_of[0].get(disk_id, NO_ROWS)
            extents = differing(now, rows_of[1].get(disk_id, NO_ROWS))
            found[disk_id] = overlay(_zeros(extents), Index.of(now).select(extents).rows)
        return found

    return await asyncio.to_thread(compare)


def _identity(directory: Directory, disk: DiskPages, region: int) -> list[tuple[bytes, int]]:
    return [(directory.objects[page[1]].id, page[2]) for page in stack(disk.pages, region).tolist()]


async def _rows(pages: Pages, directory: Directory, wanted: list[PageAt]) -> dict[bytes, Rows]:
    return await asyncio.to_thread(stacked, directory, wanted, await pages.read(wanted))


def _zeros(extents: Extents) -> Rows:
    rows = np.zeros(len(extents), dtype=PIECE)
    rows["first"], rows["blocks"], rows["kind"] = extents[:, 0], extents[:, 1], KIND_ZERO
    return rows
