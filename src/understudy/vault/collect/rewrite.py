"""Move what kept points need out of packs that are mostly dead: decode, compare with its signatures, encode into new packs."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy.errors import IntegrityError
from understudy.model import BLOCK_SIZE, SIGNATURE_SIZE, Extents, Rows
from understudy.native.layout import FRAME_BLOCKS, KIND_ZERO
from understudy.vault import names
from understudy.vault.collect.marks import PackMarks
from understudy.vault.log.patience import BRIEF, create_new_patiently
from understudy.vault.maps.diskmap import PackAt, PackTable, pieces_of
from understudy.vault.maps.history import History
from understudy.vault.maps.selection import Index, Selection, extents_of, packed, ramp
from understudy.vault.packs.frame_read import read_blocks, read_signatures
from understudy.vault.packs.pack import PackWriter
from understudy.vault.packs.pack_layout import damaged
from understudy.vault.packs.pack_source import PackSource

UNIT = 1024
"""Blocks that are moved at once."""
NEVER = 0xFF
"""Bytes of a signature that no block has, so that the encoder takes every block for a changed one."""

Moved = dict[tuple[int, bytes], Rows]
"""Where blocks are now, sorted PIECE rows by the pack (index into the table) that they were in, and disk."""


@dataclass(slots=True)
class Rewriter:
    """One run. All packs in `written` are durable."""

    history: History
    table: PackTable
    written: list[PackAt] = field(default_factory=list)
    stored: int = 0
    _moved: dict[tuple[int, bytes], list[Rows]] = field(default_factory=dict)
    _waiting: list[tuple[int, int, Extents]] = field(default_factory=list)
    """What the pack that is being filled holds: old pack, disk index, extents."""

    async def run(self, packs: Mapping[int, PackMarks]) -> Moved:
        """`packs`: what is needed of those that shall go. `IntegrityError` if any of it is not what was written."""
        source = PackSource(self.history)
        disks = tuple(dict.fromkeys(disk.id for entry in self.history.points for disk in entry.point.disks))
        writer = await asyncio.to_thread(PackWriter, self.history.access, self.history.machine_id, disks)
        taken: dict[int, NDArray[np.int64]] = {}
        for index in packs:
            footer = await source.footer(self.table.packs[index])
            for turn, rows in _needed(self.table.packs[index], footer.frames, packs[index]):
                disk = footer.disks[turn]
                for unit in _units(rows):
                    place, numbers = disks.index(disk), _numbers(unit)
                    known = taken.get(place, np.empty(0, np.int64))
                    if writer.room < len(numbers) or np.isin(numbers, known).any():
                        # A pack never has a block twice: it could not say which one holds.
                        await self._finish(writer, disks)
                        writer.reset()
                        taken, known = {}, np.empty(0, np.int64)
                    await self._move(source, writer, index, disk, place, unit)
                    taken[place] = np.concatenate([known, numbers])
        await self._finish(writer, disks)
        return {key: _sorted(np.concatenate(parts)) for key, parts in self._moved.items()}

    async def _move(self, source: PackSource, writer: PackWriter, index: int, disk: bytes, place: int, unit: Rows) -> None:
        rows, packs = unit.copy(), [self.table.packs[index]]
        rows["pack"] = 0
        selection = packed(Selection(rows, np.empty(0, np.int64)))
        count = int(rows["blocks"].sum())
        data = np.empty(count * BLOCK_SIZE, dtype=np.uint8)
        said, new = np.empty((count, SIGNATURE_SIZE), np.uint8), np.empty((count, SIGNATURE_SIZE), np.uint8)
        await read_blocks(source, disk, packs, selection, data)
        await read_signatures(source, disk, packs, selection, said)
        extents = extents_of(unit)
        await asyncio.to_thread(writer.add, place, data, extents, np.full_like(new, NEVER), new)
        if not np.array_equal(said, new):
            raise damaged(packs[0].id, "a block does not have the signature that its footer says")
        self._waiting.append((index, place, extents))

    async def _finish(self, writer: PackWriter, disks: Sequence[bytes]) -> None:
        if writer.empty:
            return
        finished = await asyncio.to_thread(writer.finish)
        ref = finished.ref
        name = names.pack(self.history.machine_id, ref.id.hex())
        await create_new_patiently(self.history.store, name, finished.buffers, BRIEF)
        pack = PackAt(ref.id, ref.size, ref.hash)
        self.written.append(pack)
        self.stored += ref.size
        at = self.table.index(pack)
        indexes = {
            place: Index.of(pieces_of(finished.frames[finished.frames["disk"] == place], at))
            for place in np.unique(finished.frames["disk"]).tolist()
        }
        for old, place, extents in self._waiting:
            rows = indexes[place].select(extents).rows
            if int(rows["blocks"].sum()) != int(extents[:, 1].sum()):
                raise IntegrityError(f"pack {ref.id.hex()} does not hold all that was put into it")
            self._moved.setdefault((old, disks[place]), []).append(rows)
        self._waiting.clear()


def replaced(rows: Rows, disk: bytes, moved: Moved) -> Rows:
    """The same blocks, read from where they are now. A block that was in a pack that goes and was not moved is needed by nobody:
    it must not be named by any of these rows (`IntegrityError`)."""
    parts = [rows]
    for index in np.unique(rows["pack"][rows["kind"] != KIND_ZERO]).tolist():
        now = moved.get((index, disk))
        if now is None:
            continue
        mine = (parts[0]["pack"] == index) & (parts[0]["kind"] != KIND_ZERO)
        was = parts[0][mine]
        extents = np.stack([was["first"], was["blocks"]], axis=1).astype(np.int64)
        found = Index.of(now).select(extents).rows
        if int(found["blocks"].sum()) != int(was["blocks"].sum()):
            raise IntegrityError("a block that a kept point needs was not moved with its pack")
        parts = [parts[0][~mine], *parts[1:], found]
    return _sorted(np.concatenate(parts))


def _sorted(rows: Rows) -> Rows:
    return rows[np.argsort(rows["first"], kind="stable")]


def _needed(pack: PackAt, frames: Rows, marks: PackMarks) -> Iterator[tuple[int, Rows]]:
    """PIECE rows of the blocks that are needed, sorted, by index into the pack's disks."""
    payload = frames[frames["kind"] != KIND_ZERO]
    if len(marks.mask) > len(payload):
        raise damaged(pack.id, "a map names a frame that it has not")
    mask = np.zeros(len(payload), np.uint64)
    mask[: len(marks.mask)] = marks.mask
    for turn in np.unique(payload["disk"][mask != 0]).tolist():
        mine = payload["disk"] == turn
        pieces = pieces_of(payload[mine], 0)
        frame = np.argsort(payload["first"][mine], kind="stable")
        wanted = (mask[mine][frame][:, None] >> np.arange(FRAME_BLOCKS, dtype=np.uint64)) & np.uint64(1)
        numbers = (pieces["first"].astype(np.int64)[:, None] + np.arange(FRAME_BLOCKS))[wanted != 0]
        yield turn, Index.of(pieces).select(_extents(numbers)).rows


def _extents(numbers: NDArray[np.int64]) -> Extents:
    """Ascending block numbers as extents."""
    heads = np.flatnonzero(np.append(True, np.diff(numbers) != 1))
    return np.stack([numbers[heads], np.diff(np.append(heads, len(numbers)))], axis=1)


def _units(rows: Rows) -> Iterator[Rows]:
    """Consecutive rows, at most UNIT blocks at once (a row has at most FRAME_BLOCKS)."""
    ends = np.cumsum(rows["blocks"].astype(np.int64))
    low = 0
    while low < len(rows):
        before = int(ends[low - 1]) if low else 0
        high = int(np.searchsorted(ends, before + UNIT, side="right"))
        yield rows[low:high]
        low = high


def _numbers(rows: Rows) -> NDArray[np.int64]:
    return ramp(rows["first"].astype(np.int64), rows["blocks"].astype(np.int64))
