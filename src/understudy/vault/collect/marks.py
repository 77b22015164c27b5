"""Which blocks of which frames of which packs kept points need. Pure, columnar: 13 bytes a frame."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from understudy.model import Rows
from understudy.native.layout import KIND_ZERO

Masks = NDArray[np.uint64]


@dataclass(slots=True)
class Marks:
    """By index into a table of packs, columns by frame number."""

    _packs: dict[int, "PackMarks"] = field(default_factory=dict)

    def add(self, rows: Rows) -> None:
        """rows: PIECE. Zeros need no pack."""
        rows = rows[rows["kind"] != KIND_ZERO]
        rows = rows[np.argsort(rows["pack"], kind="stable")]
        packs, heads = np.unique(rows["pack"], return_index=True)
        for pack, low, high in zip(packs.tolist(), heads.tolist(), [*heads[1:].tolist(), len(rows)], strict=False):
            self._packs.setdefault(pack, PackMarks()).add(rows[low:high])

    def of(self, pack: int) -> "PackMarks":
        """Empty for a pack of which nobody needs anything."""
        return self._packs.get(pack, PackMarks())

    def packs(self) -> list[int]:
        return sorted(self._packs)


@dataclass(slots=True)
class PackMarks:
    """One pack's frames by number; `blocks` is 0 for one that nobody needs."""

    mask: Masks = field(default_factory=lambda: np.empty(0, np.uint64))
    length: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    blocks: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))

    def add(self, rows: Rows) -> None:
        number = rows["number"].astype(np.int64)
        size = int(number.max()) + 1
        if size > len(self.mask):
            more = size - len(self.mask)
            self.mask = np.append(self.mask, np.zeros(more, np.uint64))
            self.length = np.append(self.length, np.zeros(more, np.uint32))
            self.blocks = np.append(self.blocks, np.zeros(more, np.uint8))
        np.bitwise_or.at(self.mask, number, bits(rows))
        self.length[number], self.blocks[number] = rows["length"], rows["frame_blocks"]

    def needed(self) -> int:
        """Sealed bytes, a frame that is needed in part counted by its blocks."""
        return int(cost(self.length, np.bitwise_count(self.mask), self.blocks))


def bits(rows: Rows) -> Masks:
    """Which blocks of their frames PIECE rows tell of. A frame has at most 64."""
    blocks, skip = rows["blocks"].astype(np.uint64), rows["skip"].astype(np.uint64)
    one = np.uint64(1)
    # Shifting by all 64 bits is not defined.
    ones = ((one << (blocks - one)) - one) << one | one
    masks: Masks = ones << skip
    return masks


def cost(length: NDArray[np.uint32], wanted: NDArray[np.integer], blocks: NDArray[np.integer]) -> float:
    """Sealed bytes of `wanted` of the `blocks` of frames of `length` bytes, in proportion."""
    return float((length * wanted.astype(np.float64) / np.maximum(blocks, 1)).sum())


def bytes_of(rows: Rows) -> int:
    """The same for PIECE rows."""
    rows = rows[rows["kind"] != KIND_ZERO]
    return int(cost(rows["length"], rows["blocks"], rows["frame_blocks"]))
