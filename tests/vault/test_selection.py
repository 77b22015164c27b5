"""Selecting rows, splitting them into units and joining reads: values in, values out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from understudy.model import BLOCK_SIZE
from understudy.native.layout import KIND_RAW, PIECE
from understudy.vault.maps.selection import Index, extents_of, units
from understudy.vault.packs.ranges import coalesce


def random_rows(rng: np.random.Generator) -> np.ndarray:
    rows = np.zeros(rng.integers(0, 30), PIECE)
    rows["blocks"] = rng.integers(1, 9, len(rows))
    rows["first"] = np.cumsum(rng.integers(0, 4, len(rows)) + rows["blocks"]) - rows["blocks"]
    rows["skip"], rows["frame_blocks"] = rng.integers(0, 5, len(rows)), 20
    rows["number"], rows["kind"] = np.arange(len(rows)), KIND_RAW
    return rows


def random_extents(rng: np.random.Generator) -> np.ndarray:
    edges = np.unique(rng.integers(0, 250, rng.integers(0, 12) * 2))
    edges = edges[: len(edges) // 2 * 2]
    return np.stack([edges[::2], edges[1::2] - edges[::2]], axis=1)


def expand(extents: np.ndarray) -> list[int]:
    return [block for first, count in extents.tolist() for block in range(first, first + count)]


@given(st.integers(0, 2**32))
def test_select(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, extents = random_rows(rng), random_extents(rng)
    where = {first + i: (number, skip + i) for first, blocks, _, _, number, _, _, skip, *_ in rows.tolist() for i in range(blocks)}
    want = {at: where[block] for at, block in enumerate(expand(extents)) if block in where}
    selection = Index.of(rows).select(extents)
    got = {
        at + i: (number, skip + i)
        for at, (_, blocks, _, _, number, _, _, skip, *_) in zip(selection.at.tolist(), selection.rows.tolist(), strict=True)
        for i in range(blocks)
    }
    assert got == want


@given(st.integers(0, 2**32))
def test_extents_of(seed: int) -> None:
    rows = random_rows(np.random.default_rng(seed))
    extents = extents_of(rows)
    blocks = rows[["first", "blocks"]].tolist()
    assert expand(extents) == [block for first, count in blocks for block in range(first, first + count)]
    assert (extents[1:, 0] > extents[:-1].sum(axis=1)).all()


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_units(seed: int, most: int) -> None:
    """Some rows are of one frame."""
    rng = np.random.default_rng(seed)
    rows = random_rows(rng)
    sizes = rng.integers(12, 65, len(rows))
    rows["number"] = np.minimum(rng.integers(0, 4, len(rows)) + np.arange(len(rows)) // 2, np.arange(len(rows)))
    rows["frame_blocks"] = sizes[rows["number"]]
    parts = list(units(rows, most * BLOCK_SIZE, 100))
    assert [i for low, high in parts for i in range(low, high)] == list(range(len(rows)))

    def cost(low: int, high: int) -> int:
        return int(sizes[np.unique(rows["number"][low:high])].sum()) * BLOCK_SIZE + 100 * len(np.unique(rows["number"][low:high]))

    for low, high in parts:
        assert high == low + 1 or (cost(low, high) <= most * BLOCK_SIZE and high - low <= most)
        assert high == len(rows) or cost(low, high + 1) > most * BLOCK_SIZE or high - low == most


def test_a_frame_of_which_every_other_block_is_wanted_is_decoded_once() -> None:
    """What takes its place is in another pack, or not asked for."""
    frames, blocks = 256, 64
    rows = np.zeros(frames * blocks // 2, PIECE)
    rows["first"], rows["blocks"] = np.arange(len(rows)) * 2, 1
    rows["skip"], rows["frame_blocks"] = rows["first"] % blocks, blocks
    rows["number"], rows["kind"] = rows["first"] // blocks, KIND_RAW
    newer = rows.copy()
    newer["first"] += 1
    newer["pack"], newer["number"], newer["skip"], newer["frame_blocks"] = 1, np.arange(len(rows)), 0, 1
    both = np.concatenate([rows, newer])
    both = both[np.argsort(both["first"])]
    for wanted in (rows, both):
        parts = list(units(wanted, 16 * blocks * BLOCK_SIZE, 100))
        decoded = sum(len(np.unique(wanted[low:high][["pack", "number"]])) for low, high in parts)
        assert decoded <= len(np.unique(wanted[["pack", "number"]])) + len(parts)
        assert len(parts) <= 2 * frames // 16


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60))), st.integers(0, 30), st.integers(1, 200))
def test_coalesce(items: list[tuple[int, int]], gap: int, most: int) -> None:
    start, length = (np.array([item[i] for item in items], np.int64) for i in (0, 1))
    reads = coalesce(start, length, gap, most)
    for (first, size), owner in zip(items, reads.owner.tolist(), strict=True):
        assert reads.start[owner] <= first
        assert first + size <= reads.start[owner] + reads.length[owner]
    assert set(reads.owner.tolist()) == set(range(len(reads.start)))
    for i in range(len(reads.start)):
        own = [item for item, owner in zip(items, reads.owner.tolist(), strict=True) if owner == i]
        covered = np.zeros(600, bool)
        for first, size in own:
            covered[first : first + size] = True
        inside = covered[reads.start[i] : reads.start[i] + reads.length[i]]
        assert inside[0]
        assert inside[-1]
        longest = max((len(run) for run in "".join("x" if bit else " " for bit in inside).split("x")), default=0)
        assert longest <= gap
        assert max(first for first, _ in own) - int(reads.start[i]) < most
