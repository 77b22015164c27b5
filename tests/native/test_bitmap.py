"""bitmap against plain numpy, on random, empty, odd-sized, unaligned, read-only and large bitmaps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from understudy.native import bitmap

densities = st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.0])


@st.composite
def bit_arrays(draw: st.DrawFn) -> np.ndarray:
    """Booleans with long and short runs, of any length from none to some thousands."""
    bits = draw(st.integers(0, 3000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    runs = np.repeat(rng.random(bits // 5 + 1) < draw(densities), 5)[:bits]
    return runs ^ (rng.random(bits) < draw(st.sampled_from([0.0, 0.02])))


def pack(bits: np.ndarray, *, stray: bool = True, shift: int = 3) -> np.ndarray:
    """The bits as an unaligned buffer whose bits past the end, and two bytes after, are all ones."""
    packed = np.packbits(bits, bitorder="little")
    if stray and len(bits) % 8:
        packed[-1] |= (0xFF << (len(bits) % 8)) & 0xFF
    buffer = np.full(len(packed) + shift + 2, 0xFF, np.uint8)
    buffer[shift : shift + len(packed)] = packed
    return buffer[shift:]


def unpack(buffer: np.ndarray, bits: int) -> np.ndarray:
    return np.unpackbits(buffer, bitorder="little")[:bits].astype(bool)


def runs_of(bits: np.ndarray, gap: int = 0) -> np.ndarray:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], bits.astype(np.int8), [0]))))
    first, end = edges[::2], edges[1::2]
    if len(first):
        apart = first[1:] - end[:-1] > gap
        first, end = first[np.concatenate(([True], apart))], end[np.concatenate((apart, [True]))]
    return np.stack([first, end - first], axis=1).astype(np.int64)


@given(bit_arrays(), st.integers(0, 70))
def test_extents(bits: np.ndarray, gap: int) -> None:
    buffer = pack(bits)
    buffer.flags.writeable = False
    want = runs_of(bits, gap)
    assert bitmap.count_runs(buffer, len(bits), gap) == len(want)
    out = np.full((len(want) + 1, 2), -1, np.int64)
    assert bitmap.to_extents(buffer, len(bits), out, gap) == len(want)
    assert np.array_equal(out[:-1], want)
    assert (out[-1] == -1).all()
    if len(want):
        with pytest.raises(ValueError, match=str(len(want))):
            bitmap.to_extents(buffer, len(bits), out[: len(want) - 1], gap)


@given(bit_arrays())
def test_extents_and_back(bits: np.ndarray) -> None:
    buffer = pack(np.zeros(len(bits), bool))
    after = buffer.copy()
    bitmap.from_extents(runs_of(bits), after, len(bits))
    assert np.array_equal(unpack(after, len(bits)), bits)
    assert np.array_equal(np.unpackbits(after, bitorder="little")[len(bits) :], np.unpackbits(buffer, bitorder="little")[len(bits) :])


@given(bit_arrays())
def test_population(bits: np.ndarray) -> None:
    assert bitmap.population(pack(bits), len(bits)) == bits.sum()


@given(bit_arrays(), st.data())
def test_set_range(bits: np.ndarray, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, len(bits)))
    count = data.draw(st.integers(0, len(bits) - first))
    buffer = pack(bits)
    before = np.unpackbits(buffer, bitorder="little")
    bitmap.set_range(buffer, len(bits), first, count)
    before[first : first + count] = 1
    assert np.array_equal(np.unpackbits(buffer, bitorder="little"), before)


@given(bit_arrays(), st.integers(0, 2**32))
def test_set_operations(bits: np.ndarray, seed: int) -> None:
    other = np.random.default_rng(seed).random(len(bits)) < 0.5
    for operation, want in (
        (bitmap.union, bits | other),
        (bitmap.intersect, bits & other),
        (bitmap.subtract, bits & ~other),
    ):
        for stray in (False, True):
            into = pack(bits, stray=stray)
            rest = np.unpackbits(into, bitorder="little")[len(bits) :]
            operation(into, pack(other, shift=1, stray=not stray), len(bits))
            assert np.array_equal(unpack(into, len(bits)), want)
            assert np.array_equal(np.unpackbits(into, bitorder="little")[len(bits) :], rest)


@given(bit_arrays(), st.sampled_from([1, 2, 3, 7, 8, 16, 100, 5000, 2**62, 2**63 - 1]))
def test_granularity(bits: np.ndarray, factor: int) -> None:
    n = -(-len(bits) // factor)
    coarse = pack(np.ones(n, bool))
    assert bitmap.coarsen(pack(bits), len(bits), factor, coarse) == n
    step = min(factor, len(bits) + 1)
    want = np.array([bits[i * step : (i + 1) * step].any() for i in range(n)], bool)
    assert np.array_equal(unpack(coarse, n), want)
    fine = pack(np.ones(len(bits), bool))
    bitmap.refine(coarse, factor, fine, len(bits))
    assert np.array_equal(unpack(fine, len(bits)), np.repeat(want, step)[: len(bits)])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_eight_tebibytes_at_64_kib(seed: int) -> None:
    bits = 2**27 + 5
    buffer = np.zeros(bits // 8 + 1, np.uint8)
    rng = np.random.default_rng(seed)
    starts = np.unique(rng.integers(0, bits // 4096, 50)) * 4096
    extents = np.stack([starts, rng.integers(1, 4096, len(starts))], axis=1)
    extents = np.concatenate([extents, [[bits - 3, 3]]])[np.concatenate([extents.sum(axis=1), [0]]) < bits - 3]
    bitmap.from_extents(extents, buffer, bits)
    out = np.empty_like(extents)
    assert bitmap.to_extents(buffer, bits, out) == len(extents)
    assert np.array_equal(out, extents)
    assert bitmap.population(buffer, bits) == extents[:, 1].sum()


def test_sizes_are_checked_first() -> None:
    short = np.zeros(4, np.uint8)
    wide = np.zeros(8, np.uint8)
    extents = np.array([[0, 1]], np.int64)
    for call in (
        lambda: bitmap.count_runs(short, 33),
        lambda: bitmap.count_runs(short, -1),
        lambda: bitmap.count_runs(short, 2**63 - 1),
        lambda: bitmap.count_runs(short, 8, -1),
        lambda: bitmap.to_extents(short, 33, np.empty((9, 2), np.int64)),
        lambda: bitmap.to_extents(short, 32, np.empty((9, 3), np.int64)),
        lambda: bitmap.to_extents(short, 32, np.empty((9, 2), np.int64), -1),
        lambda: bitmap.from_extents(extents, short, 33),
        lambda: bitmap.set_range(short, 33, 0, 1),
        lambda: bitmap.population(short, 33),
        lambda: bitmap.union(wide, short, 33),
        lambda: bitmap.intersect(short, wide, 33),
        lambda: bitmap.subtract(wide, short, 33),
        lambda: bitmap.coarsen(wide, 64, 1, short),
        lambda: bitmap.coarsen(wide, 64, 0, short),
        lambda: bitmap.refine(short, 1, wide, 64),
        lambda: bitmap.refine(short, -1, wide, 64),
    ):
        with pytest.raises(ValueError, match=r"."):
            call()
    assert not short.any()
    assert not wide.any()


@pytest.mark.parametrize("row", [(0, 33), (32, 1), (33, 0), (-1, 2), (1, -1), (2**63 - 1, 2**63 - 1), (1, 2**63 - 1), (-(2**63), 1)])
def test_hostile_extents_write_nothing(row: tuple[int, int]) -> None:
    buffer = np.zeros(4, np.uint8)
    with pytest.raises(ValueError, match="inside 32"):
        bitmap.from_extents(np.array([[0, 8], row], np.int64), buffer, 32)
    with pytest.raises(ValueError, match="inside 32"):
        bitmap.set_range(buffer, 32, *row)
    assert not buffer.any()


def test_read_only_targets_are_refused() -> None:
    frozen = np.zeros(4, np.uint8)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        bitmap.set_range(frozen, 32, 0, 1)


def test_empty_bitmap() -> None:
    empty = np.empty(0, np.uint8)
    assert bitmap.count_runs(empty, 0) == 0
    assert bitmap.to_extents(empty, 0, np.empty((0, 2), np.int64)) == 0
    assert bitmap.population(empty, 0) == 0
    assert bitmap.coarsen(empty, 0, 16, empty) == 0
    bitmap.from_extents(np.empty((0, 2), np.int64), empty, 0)
    bitmap.refine(empty, 16, empty, 0)
