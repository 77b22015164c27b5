"""Which rows of a map hold some extents, and where their blocks go. Pure, columnar."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.model import BLOCK_SIZE, NO_EXTENTS, Extents, Rows
from understudy.native.layout import KIND_ZERO

Blocks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Selection:
    """rows: PIECE rows cut to what was asked for. at: where each row's blocks start in the result, in blocks."""

    rows: Rows
    at: Blocks

    def part(self, low: int, high: int) -> "Selection":
        return Selection(self.rows[low:high], self.at[low:high])


@dataclass(frozen=True, slots=True)
class Index:
    """A map's rows with the columns that searching needs, contiguous."""

    rows: Rows
    first: Blocks
    end: Blocks

    @classmethod
    def of(cls, rows: Rows) -> "Index":
        first = rows["first"].astype(np.int64)
        return cls(rows, first, first + rows["blocks"].astype(np.int64))

    def select(self, extents: Extents) -> Selection:
        """The parts of rows inside the extents, whose blocks lie one after the other in the result."""
        low = np.searchsorted(self.end, extents[:, 0], side="right")
        high = np.searchsorted(self.first, extents[:, 0] + extents[:, 1], side="left")
        counts = np.maximum(high - low, 0)
        owner = np.repeat(np.arange(len(extents)), counts)
        row = ramp(low, counts)
        start = np.maximum(self.first[row], extents[owner, 0])
        stop = np.minimum(self.end[row], extents[owner, 0] + extents[owner, 1])
        cut = self.rows[row]
        cut["skip"] += (start - self.first[row]).astype(np.uint8)
        cut["first"], cut["blocks"] = start, stop - start
        before = np.cumsum(extents[:, 1]) - extents[:, 1]
        return Selection(cut, before[owner] + start - extents[owner, 0])


def ramp(start: Blocks, counts: Blocks) -> Blocks:
    """start[i], start[i] + 1, … counts[i] numbers for each i, one after the other."""
    offsets = np.repeat(start - (np.cumsum(counts) - counts), counts)
    return offsets + np.arange(len(offsets))


def packed(selection: Selection) -> Selection:
    """The same rows with their blocks one after the other, leaving no room for what no row names."""
    counts = selection.rows["blocks"].astype(np.int64)
    return Selection(selection.rows, np.cumsum(counts) - counts)


def extents_of(rows: Rows) -> Extents:
    """What sorted rows cover; touching ones are joined."""
    if not len(rows):
        return NO_EXTENTS
    first = rows["first"].astype(np.int64)
    end = first + rows["blocks"].astype(np.int64)
    opens = np.flatnonzero(np.append(True, first[1:] > end[:-1]))
    return np.stack([first[opens], end[np.append(opens[1:] - 1, len(rows) - 1)] - first[opens]], axis=1)


def units(rows: Rows, most: int, waste: int) -> Iterator[tuple[int, int]]:
    """Consecutive row ranges, each of which costs at most `most` bytes to decode (at least one row).

    A frame costs its whole size, however little of it is wanted, and `waste` bytes that may be read beside it; but once, however many rows
    of a range want something of it. Where every other block was overwritten, each range was one frame otherwise, and each frame in two of
    them: a restore took five times as long a processor's time as that of one frame a row.
    """
    cost = rows["frame_blocks"].astype(np.int64) * BLOCK_SIZE + waste
    before = _before(rows)
    # Of one frame there are no more rows than blocks: no range is longer.
    longest = max(1, most // BLOCK_SIZE)
    low = 0
    while low < len(rows):
        near = np.where(before[low : low + longest] < low, cost[low : low + longest], 0)
        high = low + max(1, int(np.searchsorted(np.cumsum(near), most, side="right")))
        yield low, high
        low = high


def _before(rows: Rows) -> Blocks:
    """For each row, the last one before it that is of the same frame; -1 for none, and for zeros, which are of none."""
    found = np.full(len(rows), -1, dtype=np.int64)
    payload = np.flatnonzero(rows["kind"] != KIND_ZERO)
    frame = (rows["pack"][payload].astype(np.int64) << 32) | rows["number"][payload]
    order = np.argsort(frame, kind="stable")
    again = np.flatnonzero(frame[order[1:]] == frame[order[:-1]])
    found[payload[order[again + 1]]] = payload[order[again]]
    return found
