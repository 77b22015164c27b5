"""lz4block against the lz4 package's own API."""

import lz4.block
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native import samples
from understudy.native import lz4block

BOTH = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def compress(data: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out = np.full(sum(lz4block.bound(int(length)) for length in lengths), 0xEE, np.uint8)
    sizes = np.full(len(lengths), -1, np.int64)
    written = lz4block.compress(data, lengths, out, sizes)
    assert written == sizes.sum()
    return out[:written], sizes


def decompress(data: np.ndarray, sizes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    out = np.full(int(lengths.sum()), 0xBB, np.uint8)
    assert lz4block.decompress(data, sizes, out, lengths) == lengths.sum()
    return out


def cuts(total: int, pieces: int, seed: int) -> np.ndarray:
    """Lengths that add up to `total`, some of them nothing."""
    edges = np.sort(np.random.default_rng(seed).integers(0, total + 1, max(pieces - 1, 0)))
    return np.diff(np.concatenate([[0], edges, [total]]) if pieces else np.zeros(1)).astype(np.int64)


@BOTH
@given(blocks=st.integers(0, 40), pieces=st.integers(1, 8), seed=st.integers(0, 2**32), shift=st.integers(0, 15))
def test_each_side_reads_the_other(provider: str, blocks: int, pieces: int, seed: int, shift: int) -> None:
    data = samples.mixed(blocks, seed)[: blocks * 4096 - seed % 4096 if blocks else 0]
    lengths = cuts(len(data), pieces, seed)
    packed, sizes = compress(samples.unaligned(data, shift), lengths)
    plain = [part.tobytes() for part in np.split(data, np.cumsum(lengths)[:-1])]
    parts = [part.tobytes() for part in np.split(packed, np.cumsum(sizes)[:-1])]
    for part, original in zip(parts, plain, strict=True):
        assert lz4.block.decompress(part, uncompressed_size=len(original)) == original
    theirs = [lz4.block.compress(part, store_size=False) for part in plain]
    joined = np.frombuffer(b"".join(theirs), np.uint8)
    assert np.array_equal(decompress(joined, np.array([len(part) for part in theirs]), lengths), data)
    assert np.array_equal(decompress(samples.unaligned(packed, shift), sizes, lengths), data)


def test_no_pieces() -> None:
    packed, sizes = compress(samples.zeros(0), np.empty(0, np.int64))
    assert (len(packed), len(sizes)) == (0, 0)
    assert len(decompress(packed, sizes, sizes)) == 0


def test_a_large_piece() -> None:
    data = np.tile(samples.mixed(512, 1), 16)
    packed, sizes = compress(data, np.array([len(data)]))
    assert np.array_equal(decompress(packed, sizes, np.array([len(data)])), data)


def test_bound() -> None:
    assert [lz4block.bound(n) for n in (0, 1, 254, 255, 262144, 0x7E000000)] == [16, 17, 270, 272, 263188, 2122219150]
    for length in (-1, 0x7E000001, 2**63):
        with pytest.raises(ValueError, match="LZ4 takes"):
            lz4block.bound(length)


def test_what_is_not_lz4_is_named_and_nothing_beyond_is_touched(provider: str) -> None:
    data = samples.text(3)
    lengths = np.array([4096, 4096, 4096])
    packed, sizes = compress(data, lengths)
    for wrong in (4095, 4097):
        with pytest.raises(lz4block.CompressionError, match="piece 1") as caught:
            decompress(packed, sizes, np.array([4096, wrong, 4096]))
        assert caught.value.index == 1
    cut = sizes.copy()
    cut[2] -= 1
    with pytest.raises(lz4block.CompressionError, match="piece 2"):
        decompress(packed[:-1], cut, lengths)
    shifted = sizes + np.array([1, -1, 0])
    with pytest.raises(lz4block.CompressionError, match="piece 0"):
        decompress(packed, shifted, lengths)


@BOTH
@given(payload=st.binary(max_size=300), length=st.integers(0, 3000))
def test_any_bytes_are_decompressed_or_refused(provider: str, payload: bytes, length: int) -> None:
    out = np.full(length + 64, 0xBB, np.uint8)
    arguments = np.frombuffer(payload, np.uint8), np.array([len(payload)]), out[:length], np.array([length])
    try:
        plain = lz4.block.decompress(payload, uncompressed_size=length)
    except lz4.block.LZ4BlockError:
        plain = None
    if plain is not None and len(plain) == length:
        assert lz4block.decompress(*arguments) == length
        assert out[:length].tobytes() == plain
    else:
        with pytest.raises(lz4block.CompressionError, match="piece 0"):
            lz4block.decompress(*arguments)
    assert (out[length:] == 0xBB).all()


HOSTILE = [-1, 5, 2**31, 2**62, -(2**63), 2**63 - 1]


@pytest.mark.parametrize("bad", HOSTILE)
def test_impossible_lengths_are_refused(bad: int) -> None:
    data, out = np.zeros(4, np.uint8), np.zeros(100, np.uint8)
    with pytest.raises(ValueError, match=r"piece 1|pieces are"):
        lz4block.compress(data, np.array([1, bad]), out, np.zeros(2, np.int64))
    with pytest.raises(ValueError, match=r"piece 1|pieces are"):
        lz4block.decompress(data, np.array([1, bad]), out, np.array([1, 1]))
    if bad != 5:
        with pytest.raises(ValueError, match="piece 1"):
            lz4block.decompress(data, np.array([2, 2]), out, np.array([1, bad]))


def test_counts_and_room_are_checked() -> None:
    data, lengths = samples.random(1), np.array([4096])
    with pytest.raises(ValueError, match="sizes"):
        lz4block.compress(data, lengths, np.zeros(9999, np.uint8), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match="out needs"):
        lz4block.compress(data, lengths, np.zeros(lz4block.bound(4096) - 1, np.uint8), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="lengths"):
        lz4block.decompress(data, lengths, np.zeros(9999, np.uint8), np.zeros(2, np.int64))
