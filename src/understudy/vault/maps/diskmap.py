"""Extent maps: for every block of a disk, which frame of which pack holds it. Columns, merged in native code; no I/O."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from understudy.errors import IntegrityError
from understudy.model import BLOCK_SIZE, Extents, Rows
from understudy.native import diskmap
from understudy.native.layout import FRAME_BLOCKS, KIND_ZERO, PIECE
from understudy.vault.packs.pack_layout import HEADER_SIZE, PACK_SIZE_MAX, TAG_SIZE, TRAILER_SIZE

NO_ROWS: Rows = np.empty(0, dtype=PIECE)
NO_ROWS.flags.writeable = False

FRAME_BYTES_MAX = FRAME_BLOCKS * BLOCK_SIZE + max(TAG_SIZE.values())
"""Sealed bytes of the largest frame."""


@dataclass(frozen=True, slots=True)
class PackAt:
    """Where a pack is: an object of its own, or inline in the point record with number `seq`."""

    id: bytes
    size: int
    hash: bytes
    seq: int = 0


@dataclass(frozen=True, slots=True)
class DiskMap:
    """One disk's map. rows: PIECE, sorted and disjoint; what no row names is zero. PIECE.pack is an index into `packs`."""

    disk_id: bytes
    size: int
    rows: Rows
    packs: Sequence[PackAt]


@dataclass(slots=True)
class PackTable:
    """The packs that some rows refer to, each once, in order of first mention."""

    packs: list[PackAt] = field(default_factory=list)
    _index: dict[bytes, int] = field(default_factory=dict)

    def index(self, pack: PackAt) -> int:
        found = self._index.get(pack.id)
        if found is None:
            found = self._index[pack.id] = len(self.packs)
            self.packs.append(pack)
        elif self.packs[found] != pack:
            raise IntegrityError(f"pack {pack.id.hex()} is described in two ways")
        return found


@contextmanager
def trusting_nothing(what: str) -> Iterator[None]:
    """A kernel's refusal of rows that were read from a vault is damage, not a mistake of the caller."""
    try:
        yield
    except ValueError as error:
        raise IntegrityError(f"{what}: {error}") from error


def pieces_of(frames: Rows, pack: int) -> Rows:
    """FRAME rows of one disk in one pack, in any order, as PIECE rows sorted by first block."""
    rows = np.zeros(len(frames), dtype=PIECE)
    for column in ("first", "blocks", "offset", "length", "number", "kind"):
        rows[column] = frames[column]
    rows["pack"] = pack
    rows["frame_blocks"] = np.where(frames["kind"] == KIND_ZERO, 0, frames["blocks"])
    if (rows["first"][1:] < rows["first"][:-1]).any():
        rows = rows[np.argsort(rows["first"], kind="stable")]
    return rows


def zero_rows(first: int, end: int) -> Rows:
    """One row that hides whatever lies in first..end; none if that is empty."""
    if end <= first:
        return NO_ROWS
    rows = np.zeros(1, dtype=PIECE)
    rows["first"], rows["blocks"], rows["kind"] = first, end - first, KIND_ZERO
    return rows


def overlay(lower: Rows, upper: Rows, *, drop_zero: bool = False) -> Rows:
    """`upper` hides `lower`. drop_zero: nothing lies below, so that zero rows say nothing."""
    out = np.empty(diskmap.overlay_bound(len(lower), len(upper)), dtype=PIECE)
    rows = out[: diskmap.overlay(lower, upper, out, drop_zero)]
    # A view would keep up to three times its size alive.
    return rows if len(rows) * 4 >= len(out) * 3 else rows.copy()


def merge(layers: Sequence[Rows], *, drop_zero: bool = False) -> Rows:
    """All layers, oldest first, later ones hiding earlier ones. Pairwise, so that N layers cost log N passes over the rows."""
    level = list(layers) or [NO_ROWS]
    while len(level) > 1:
        paired = [overlay(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return overlay(level[0], NO_ROWS, drop_zero=True) if drop_zero else level[0]


def cut(rows: Rows, first: int, count: int) -> Rows:
    """Only what lies in first..first+count."""
    out = np.empty(len(rows), dtype=PIECE)
    return out[: diskmap.cut(rows, first, count, out)]


def repack(rows: Rows, packs: Sequence[PackAt], table: PackTable) -> Rows:
    """The same rows with PIECE.pack as an index into `table`, to which the packs that they use are added. Zero rows use none."""
    out = rows.copy()
    payload = rows["kind"] != KIND_ZERO
    used, inverse = np.unique(rows["pack"][payload], return_inverse=True)
    if len(used) and int(used[-1]) >= len(packs):
        raise IntegrityError(f"a row of a map names pack {int(used[-1])} of {len(packs)}")
    target = np.array([table.index(packs[i]) for i in used.tolist()], dtype=np.uint32)
    out["pack"] = 0
    if len(used):
        out["pack"][payload] = target[inverse]
    return out


def differing(mine: Rows, theirs: Rows) -> Extents:
    """Blocks that come from another frame in one map than in the other, both with one table of packs."""
    out = np.empty((len(mine) + len(theirs), 2), dtype=np.int64)
    with trusting_nothing("two maps"):
        return out[: diskmap.differing(mine, theirs, out)]


def check_pieces(rows: Rows, packs: Sequence[PackAt]) -> str:
    """What is wrong with rows whose order the kernels have yet to check; empty if nothing."""
    payload = rows[rows["kind"] != KIND_ZERO]
    if (payload["pack"] >= len(packs)).any():
        return "a row names no pack of its table"
    sizes = np.array([pack.size for pack in packs] or [0], dtype=np.int64)
    end = sizes[payload["pack"]] - TRAILER_SIZE
    offset, length = payload["offset"], payload["length"].astype(np.int64)
    if (length > FRAME_BYTES_MAX).any() or (offset < HEADER_SIZE).any() or (offset > PACK_SIZE_MAX).any():
        return "a row lies where no frame can"
    if (offset.astype(np.int64) + length > end).any():
        return "a row lies outside its pack"
    return ""
