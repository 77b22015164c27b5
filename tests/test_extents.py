"""Extent arithmetic against sets of block numbers."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from understudy import extents
from understudy.model import NO_EXTENTS, Extents

BLOCKS = st.sets(st.integers(0, 200), max_size=80)


def from_set(blocks: set[int]) -> Extents:
    rows: list[list[int]] = []
    for block in sorted(blocks):
        if rows and rows[-1][0] + rows[-1][1] == block:
            rows[-1][1] += 1
        else:
            rows.append([block, 1])
    return np.array(rows, dtype=np.int64).reshape(-1, 2)


def as_list(rows: Extents) -> list[int]:
    return [block for first, count in rows.tolist() for block in range(first, first + count)]


@given(st.lists(BLOCKS, max_size=4))
def test_union_is_set_union_in_canonical_form(parts: list[set[int]]) -> None:
    expected = set().union(*parts) if parts else set()
    joined = extents.union(*map(from_set, parts))
    assert np.array_equal(joined, from_set(expected))


def test_union_swallows_an_extent_inside_another() -> None:
    joined = extents.union(np.array([[0, 100]]), np.array([[10, 5], [99, 4]]))
    assert joined.tolist() == [[0, 103]]


@given(BLOCKS, st.integers(0, 210))
def test_clip_keeps_what_is_inside(blocks: set[int], size: int) -> None:
    assert as_list(extents.clip(from_set(blocks), size)) == sorted(b for b in blocks if b < size)


@given(BLOCKS, st.integers(1, 30))
def test_coarser_names_all_and_joins_what_lies_nearest(blocks: set[int], most: int) -> None:
    before = from_set(blocks)
    after = extents.coarser(before, most)
    assert len(after) == min(len(before), most)
    assert set(as_list(after)) >= blocks
    left = {(first, end) for first, end in zip(as_list(before)[:-1], as_list(before)[1:], strict=True) if end - first > 1}
    joined = {gap for gap in left if gap[0] + 1 in as_list(after)}
    assert not joined or max(b - a for a, b in joined) <= min((b - a for a, b in left - joined), default=1000)
    assert len(before) > most or np.array_equal(after, before)


@given(BLOCKS, st.integers(0, 6))
def test_joined_adds_what_lies_between_what_is_near(blocks: set[int], near: int) -> None:
    between = {block for one, other in pairwise(sorted(blocks)) if other - one - 1 <= near for block in range(one + 1, other)}
    assert np.array_equal(extents.joined(from_set(blocks), near), from_set(blocks | between))


@given(BLOCKS, st.integers(1, 30), st.integers(1, 10))
def test_units_are_bounded_and_lose_nothing(blocks: set[int], most: int, rows: int) -> None:
    units = list(extents.units(from_set(blocks), most, rows))
    assert [b for unit in units for b in as_list(unit)] == sorted(blocks)
    assert all(0 < extents.total(unit) <= most and len(unit) <= rows for unit in units)


@given(BLOCKS, st.integers(0, 90))
def test_split_gives_the_first_blocks_and_the_rest(blocks: set[int], most: int) -> None:
    head, tail = extents.split(from_set(blocks), most)
    assert as_list(head) == sorted(blocks)[:most]
    assert as_list(tail) == sorted(blocks)[most:]
    assert (head[:, 1] > 0).all()
    assert (tail[:, 1] > 0).all()


@given(BLOCKS, st.integers(0, 210))
def test_after(blocks: set[int], block: int) -> None:
    assert as_list(extents.after(from_set(blocks), block)) == sorted(b for b in blocks if b >= block)


@given(BLOCKS)
def test_block_numbers(blocks: set[int]) -> None:
    assert extents.block_numbers(from_set(blocks)).tolist() == sorted(blocks)


def test_nothing_at_all() -> None:
    assert extents.total(NO_EXTENTS) == 0
    assert not len(extents.whole(0))
    assert list(extents.units(NO_EXTENTS, 4, 4)) == []
    assert not len(extents.union())


@given(BLOCKS, BLOCKS)
def test_intersection_and_difference_are_those_of_sets(a: set[int], b: set[int]) -> None:
    assert extents.intersection(from_set(a), from_set(b)).tolist() == from_set(a & b).tolist()
    assert extents.difference(from_set(a), from_set(b)).tolist() == from_set(a - b).tolist()


def test_touching_extents_are_one_to_set_operations() -> None:
    split = np.array([[0, 4], [4, 4]], dtype=np.int64)
    assert extents.intersection(split, from_set({3, 4, 5})).tolist() == [[3, 3]]
    assert extents.difference(split, from_set({0})).tolist() == [[1, 7]]


@given(BLOCKS, BLOCKS)
def test_runs_are_the_blocks_that_a_mask_names(blocks: set[int], chosen: set[int]) -> None:
    mask = np.array([block in chosen for block in sorted(blocks)], dtype=bool)
    assert extents.runs(mask, from_set(blocks)).tolist() == from_set(blocks & chosen).tolist()


@given(BLOCKS, st.integers(0, 210), st.integers(0, 210))
def test_within_is_what_lies_in_a_range(blocks: set[int], first: int, count: int) -> None:
    assert np.array_equal(extents.within(from_set(blocks), first, count), from_set({at for at in blocks if first <= at < first + count}))
