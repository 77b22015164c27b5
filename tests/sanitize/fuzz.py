"""Hostile input by the thousand, for a build that reports every stray byte: run.sh runs this, the ordinary test run does not.

Buffers are allocated to the byte, so that a sanitizer sees the first byte beyond. Seeds are fixed: what fails once fails again.
"""

from collections.abc import Callable

import numpy as np
import pytest

from tests.native import samples
from tests.native.frames import pack, unpack
from tests.native.guarded import guarded
from tests.native.test_decode import crafted, sample
from understudy.native import aead, bitmap, capi, decode, diskmap, lz4block
from understudy.native.layout import BLOCK_SIZE, PIECE, SUITE_XCHACHA20POLY1305

ROUNDS = 4000
EDGES = [0, 1, 2, 31, 32, 63, 64, 65, 127, 255, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**51, 2**62, 2**63, 2**64 - 1]


def attempt(function: Callable[..., object], *arguments: object, **named: object) -> Exception | None:
    """The refusal, if it was one."""
    try:
        function(*arguments, **named)
    except (ValueError, OverflowError) as error:
        return error
    return None


def mutate(rng: np.random.Generator, data: np.ndarray) -> np.ndarray:
    """Flip bits, overwrite, cut, repeat: a fresh array of exactly its own size."""
    raw = data.copy()
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(raw))) if len(raw) else 0
        match rng.integers(0, 5):
            case 0 if len(raw):
                raw[at] ^= 1 << int(rng.integers(0, 8))
            case 1 if len(raw):
                raw[at : at + 4] = rng.integers(0, 256, len(raw[at : at + 4]), dtype=np.uint8)
            case 2:
                raw = raw[:at]
            case 3:
                raw = np.concatenate([raw[:at], raw[at // 2 :]])
            case _ if len(raw):
                raw[at : at + 2] = 255
    return raw.copy()


def mutate_rows(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """Set fields to values at the edges of their types, or to a neighbour's."""
    rows = rng.permutation(rows)[: rng.integers(0, len(rows) + 1)].copy()
    for row in rows[: rng.integers(0, 3)]:
        name = rows.dtype.names[rng.integers(0, len(rows.dtype.names))]
        high = np.iinfo(rows.dtype[name]).max
        row[name] = rng.choice(rows[name]) if rng.integers(0, 2) else min(int(EDGES[rng.integers(0, len(EDGES))]), int(high))
    return rows


@pytest.mark.parametrize("library", ["wheel", "system"])
def test_decode_of_altered_indexes_and_packs(library: str) -> None:
    capi.bind(library)
    suite = SUITE_XCHACHA20POLY1305
    rng = np.random.default_rng(1)
    _, made = sample(suite)
    for _ in range(ROUNDS):
        sealed = mutate(rng, made.sealed) if rng.integers(0, 3) == 0 else made.sealed.copy()
        rows = mutate_rows(rng, made.rows)
        out = np.empty(int(rng.integers(0, 90)) * BLOCK_SIZE + int(rng.integers(0, 2)), np.uint8)
        base = int(rng.choice([0, 0, 0, 1, 4900, 2**40, 2**62]))
        error = attempt(unpack, guarded(sealed), guarded(rows), suite=suite, out=guarded(out), base=base)
        assert error is None or (isinstance(error, decode.FrameError) and 0 <= error.row < len(rows))
    capi.bind("wheel")


@pytest.mark.parametrize("library", ["wheel", "system"])
def test_decode_of_authentic_rubbish(library: str) -> None:
    capi.bind(library)
    rng = np.random.default_rng(2)
    for _ in range(ROUNDS):
        blocks = int(rng.integers(1, 5))
        source = samples.mixed(blocks, int(rng.integers(0, 50)))
        room = np.empty(lz4block.bound(len(source)), np.uint8)
        size = lz4block.compress(source, np.array([len(source)]), room, np.empty(1, np.int64))
        payload = mutate(rng, room[:size])[: blocks * BLOCK_SIZE - 1].tobytes() or b"\0"
        sealed, rows = crafted(payload, blocks=blocks, suite=SUITE_XCHACHA20POLY1305)
        error = attempt(unpack, guarded(sealed), rows, suite=SUITE_XCHACHA20POLY1305)
        assert error is None or "decompress" in str(error)
    capi.bind("wheel")


def test_encode_of_odd_extents() -> None:
    rng = np.random.default_rng(3)
    for round in range(ROUNDS // 8):
        blocks = int(rng.integers(0, 70))
        data = samples.mixed(blocks, round)
        edges = rng.choice([-1, 0, 1, 2, 3, 30, 70, 2**51 - 1, 2**51, 2**62, 2**63 - 1], (int(rng.integers(0, 4)), 2))
        old = rng.integers(0, 2, (blocks, 16), dtype=np.uint8)
        error = attempt(pack, data, edges.astype(np.int64), old, suite=SUITE_XCHACHA20POLY1305)
        assert error is None or "extent" in str(error)


def test_lengths_of_pieces() -> None:
    rng = np.random.default_rng(4)
    choices = np.array([-(2**63), -1, 0, 1, 15, 16, 17, 100, 2**31, 2**62, 2**63 - 1])
    for _ in range(ROUNDS):
        count = int(rng.integers(0, 5))
        lengths, sizes = rng.choice(choices, (2, count)).astype(np.int64)
        data = rng.integers(0, 256, int(rng.integers(0, 300)), dtype=np.uint8)
        out = np.empty(int(rng.integers(0, 300)), np.uint8)
        numbers, extra = np.arange(count, dtype=np.uint64), np.empty((count, int(rng.integers(0, 3))), np.uint8)
        for function, arguments in (
            (lz4block.compress, (data, lengths, out, sizes)),
            (lz4block.decompress, (data, lengths, out, sizes)),
            (aead.seal, (SUITE_XCHACHA20POLY1305, samples.KEY, numbers, data, lengths, extra, out)),
            (aead.open, (SUITE_XCHACHA20POLY1305, samples.KEY, numbers, data, lengths, extra, out)),
        ):
            attempt(function, *arguments)


def test_extent_maps_of_altered_rows() -> None:
    rng = np.random.default_rng(5)
    rows = np.zeros(6, PIECE)
    rows["first"], rows["blocks"], rows["frame_blocks"], rows["skip"], rows["kind"] = np.arange(6) * 10, 7, 20, 3, [0, 1, 2, 1, 1, 0]
    for _ in range(ROUNDS):
        lower, upper = mutate_rows(rng, rows), mutate_rows(rng, rows)
        lower.sort(order="first")
        upper.sort(order="first")
        out = np.empty(max(diskmap.overlay_bound(len(lower), len(upper)) - int(rng.integers(0, 2)), 0), PIECE)
        first, count = (int(n) for n in rng.choice([-1, 0, 3, 30, 2**51, 2**62, 2**63 - 1], 2))
        attempt(diskmap.overlay, lower, upper, out, bool(rng.integers(0, 2)))
        attempt(diskmap.cut, lower, first, count, np.empty(len(lower), PIECE))
        attempt(diskmap.differing, lower, upper, np.empty((len(lower) + len(upper), 2), np.int64))


def test_bitmaps_of_odd_lengths() -> None:
    rng = np.random.default_rng(6)
    for _ in range(ROUNDS):
        bits, other, first, count, factor = (int(n) for n in rng.choice([-1, 0, 1, 7, 8, 9, 63, 64, 65, 200, 2**31, 2**62, 2**63 - 1], 5))
        bitmap_ = rng.integers(0, 256, int(rng.integers(0, 40)), dtype=np.uint8)
        second = rng.integers(0, 256, int(rng.integers(0, 40)), dtype=np.uint8)
        extents = np.array([[first, count], [other, factor]], np.int64)
        attempt(bitmap.population, bitmap_, bits)
        attempt(bitmap.count_runs, bitmap_, bits, first)
        attempt(bitmap.to_extents, bitmap_, bits, np.empty((int(rng.integers(0, 30)), 2), np.int64), first)
        attempt(bitmap.from_extents, extents, bitmap_, bits)
        attempt(bitmap.set_range, bitmap_, bits, first, count)
        attempt(bitmap.union, bitmap_, second, bits)
        attempt(bitmap.coarsen, bitmap_, bits, factor, second)
        attempt(bitmap.refine, bitmap_, factor, second, bits)
