"""Signatures and digests against a slow XXH3-128 written from its specification, which itself is held to both libraries."""

import ctypes

import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native import reference, samples
from understudy.native import blockhash
from understudy.native.layout import BLOCK_SIZE

BOTH = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Hash128(ctypes.Structure):
    _fields_ = (("low", ctypes.c_uint64), ("high", ctypes.c_uint64))


def sign(data: np.ndarray, secret: np.ndarray = samples.SECRET) -> tuple[int, np.ndarray]:
    out = np.full((-(-len(data) // BLOCK_SIZE), 16), 0xAA, np.uint8)
    return blockhash.sign_tail(data, secret, out), out


@pytest.mark.parametrize("path", [xxhash._xxhash.__file__, "libxxhash.so.0"])
@pytest.mark.parametrize("symbol", ["XXH3_128bits_withSecret", "XXH3_128bits_withSecret_dispatch"])
def test_the_reference_is_what_both_libraries_compute(path: str, symbol: str) -> None:
    function = getattr(ctypes.CDLL(path), symbol)
    function.restype = Hash128
    function.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    for size in (24, BLOCK_SIZE):
        for secret_size in (136, 160, 192, 200):
            data, secret = samples.random(1, size)[:size].tobytes(), samples.random(1, 7)[:secret_size].tobytes()
            value = function(data, size, secret, secret_size)
            assert reference.xxh3_128(data, secret) == value.high << 64 | value.low


@BOTH
@given(
    blocks=st.integers(0, 12), seed=st.integers(0, 2**32), cut=st.integers(0, BLOCK_SIZE - 1), secret_size=st.sampled_from([136, 192, 300])
)
def test_signatures(provider: str, blocks: int, seed: int, cut: int, secret_size: int) -> None:
    data = samples.mixed(blocks, seed)[: max(blocks * BLOCK_SIZE - cut, 0)]
    secret = samples.random(1, seed)[:secret_size]
    zero, out = sign(samples.unaligned(data, 1 + seed % 15), samples.unaligned(secret))
    expected = reference.signatures(data, secret)
    assert np.array_equal(out, expected)
    assert zero == np.count_nonzero(~expected.any(axis=1))


def test_a_byte_anywhere_makes_a_block_not_zero(provider: str) -> None:
    data = np.zeros((BLOCK_SIZE, BLOCK_SIZE), np.uint8)
    np.fill_diagonal(data, 1)
    out = np.empty((BLOCK_SIZE, 16), np.uint8)
    assert blockhash.sign(data.reshape(-1), samples.SECRET, out) == 0
    assert out.any(axis=1).all()
    assert len(np.unique(out, axis=0)) == BLOCK_SIZE


def test_a_large_buffer_is_signed_as_its_blocks_are(provider: str) -> None:
    data = np.tile(samples.mixed(64, 3), 256)
    zero, out = sign(data)
    expected = reference.signatures(data[: 64 * BLOCK_SIZE], samples.SECRET)
    assert np.array_equal(out.reshape(256, 64, 16), np.broadcast_to(expected, (256, 64, 16)))
    assert zero == 256 * np.count_nonzero(~expected.any(axis=1))


def test_a_short_last_block_is_padded_with_zeros() -> None:
    data = samples.random(2)[: BLOCK_SIZE + 1]
    padded = np.concatenate([data, np.zeros(BLOCK_SIZE - 1, np.uint8)])
    assert np.array_equal(sign(data)[1], sign(padded)[1])
    assert sign(np.zeros(5, np.uint8))[0] == 1


def test_wrong_sizes_are_refused() -> None:
    data, out = samples.random(2), np.empty((2, 16), np.uint8)
    with pytest.raises(ValueError, match="whole blocks"):
        blockhash.sign(data[:-1], samples.SECRET, out)
    with pytest.raises(ValueError, match="136"):
        blockhash.sign(data, samples.SECRET[:135], out)
    for shape in ((1, 16), (3, 16), (2, 15), (2, 17)):
        with pytest.raises(ValueError, match="signatures of 2 blocks"):
            blockhash.sign(data, samples.SECRET, np.empty(shape, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        blockhash.sign(data, samples.SECRET, samples.unaligned(out))


@BOTH
@given(
    rows=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9)), max_size=9),
    first=st.integers(0, 2**51 - 140),
    seed=st.integers(0, 2**32),
)
def test_digest(provider: str, rows: list[tuple[int, int]], first: int, seed: int) -> None:
    counts = np.array([count for _, count in rows], np.int64)
    firsts = first + np.cumsum([gap for gap, _ in rows] + counts, dtype=np.int64) - counts
    extents = np.stack([firsts, counts], axis=1)
    signed = np.random.default_rng(seed).integers(0, 256, (int(counts.sum()), 16), dtype=np.uint8)
    signed[::3] = 0
    numbers = np.array([at + i for at, count in extents.tolist() for i in range(count)], np.int64)
    expected = reference.digest(numbers, signed, samples.DIGEST_SECRET)
    assert blockhash.digest(extents, samples.unaligned(signed), samples.DIGEST_SECRET) == expected


def test_a_digest_is_the_sum_of_its_parts() -> None:
    signed = np.random.default_rng(1).integers(0, 256, (1000, 16), dtype=np.uint8)
    parts = [
        blockhash.digest(np.array([[7 + at, min(99, 1000 - at)]]), signed[at : at + 99], samples.DIGEST_SECRET) for at in range(0, 1000, 99)
    ]
    assert sum(parts) % (1 << 128) == blockhash.digest(np.array([[7, 1000]]), signed, samples.DIGEST_SECRET)


@pytest.mark.parametrize(
    "extents", [[[-1, 2]], [[2**51 - 1, 2]], [[2**63 - 1, 2]], [[0, 1], [0, 1]], [[5, 1], [3, 1]], [[0, 1]], [[0, 3]], [[0, 0], [0, 2]]]
)
def test_a_digest_of_no_disk_is_refused(extents: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="extent"):
        blockhash.digest(np.array(extents, np.int64), np.empty((2, 16), np.uint8), samples.DIGEST_SECRET)


@pytest.mark.parametrize("order", ["01", "0011", "0101", "1001", "0110", "000111000", "1"])
def test_zero_blocks_are_found_in_any_order(provider: str, order: str) -> None:
    """How a block is tested depends on the one before."""
    data = np.concatenate([samples.zeros(1) if kind == "0" else samples.random(1, 5) for kind in order])
    zero, out = sign(data)
    assert zero == order.count("0")
    assert np.array_equal(out, reference.signatures(data, samples.SECRET))
