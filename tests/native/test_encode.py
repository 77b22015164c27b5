"""encode against a plain reference of its decisions, and its frames opened with lz4 and nacl alone."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native import reference, samples
from tests.native.frames import Pack, extents, pack
from understudy.native import capi, encode
from understudy.native.layout import BLOCK_SIZE, FRAME, KIND_LZ4, KIND_RAW, KIND_ZERO, SUITE_AEGIS256, SUITE_XCHACHA20POLY1305

SUITES = [SUITE_AEGIS256, SUITE_XCHACHA20POLY1305]


@st.composite
def situations(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks, their extents (some touching) and old signatures that a part of them still has."""
    seed = draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, draw(st.sampled_from([2, 10, 90])), draw(st.integers(0, 5)))
    gaps = rng.integers(0, 3, len(counts)) * rng.integers(0, 2**40)
    firsts = np.cumsum(gaps) + np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(counts) else counts
    where = np.stack([firsts, counts], axis=1).astype(np.int64)
    data = samples.mixed(int(counts.sum()), seed)
    old = reference.signatures(data, samples.SECRET)
    forgotten = rng.random(len(old)) < draw(st.sampled_from([0.0, 0.1, 0.9, 1.0]))
    old[forgotten] = rng.integers(0, 2, (forgotten.sum(), 1)) * rng.integers(0, 256, (forgotten.sum(), 16))
    return data, where, old.reshape(-1, 16)


def check(made: Pack, data: np.ndarray, where: np.ndarray, old: np.ndarray, *, suite: int, number: int, offset: int, disk: int) -> None:
    """Everything that the contract promises, without a kernel."""
    wanted = reference.decide(data, where, old, samples.SECRET, samples.DIGEST_SECRET)
    assert np.array_equal(made.new, wanted.new)
    assert (made.result.changed, made.result.zero, made.result.digest) == (wanted.changed, wanted.zero, wanted.digest)
    assert [(int(r["first"]), int(r["blocks"]), bool(r["kind"] == KIND_ZERO)) for r in made.rows] == [
        (run.first, run.blocks, run.zero) for run in wanted.runs
    ]
    assert not made.rows["reserved"].any()
    assert (made.rows["disk"] == disk).all()
    position = 0
    for row, run in zip(made.rows, wanted.runs, strict=True):
        plain = data[run.start * BLOCK_SIZE : (run.start + run.blocks) * BLOCK_SIZE].tobytes()
        assert reference.open_frame(row, made.bytes_of(row, offset), suite, samples.KEY.tobytes(), samples.CONTEXT.tobytes()) == plain
        if run.zero:
            assert (row["offset"], row["length"], row["number"]) == (0, 0, 0)
            continue
        assert (row["number"], row["offset"]) == (number, offset + position)
        size = int(row["length"]) - reference.TAGS[suite]
        assert size < len(plain) if row["kind"] == KIND_LZ4 else size == len(plain)
        number += 1
        position += int(row["length"])
    assert made.result.raw == np.count_nonzero(made.rows["kind"] == KIND_RAW)
    assert (made.result.sealed, made.result.frames, made.result.number) == (position, len(wanted.runs), number)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    situation=situations(),
    number=st.integers(0, 2**31),
    offset=st.integers(0, 2**60),
    disk=st.integers(0, 2**16 - 1),
    shift=st.integers(0, 15),
)
def test_what_is_encoded(provider: str, situation: tuple[np.ndarray, ...], number: int, offset: int, disk: int, shift: int) -> None:
    data, where, old = situation
    for suite in capi.suites():
        made = pack(
            samples.unaligned(data, shift), where, samples.unaligned(old, shift), suite=suite, number=number, offset=offset, disk=disk
        )
        check(made, data, where, old, suite=suite, number=number, offset=offset, disk=disk)


def test_new_may_be_old() -> None:
    data = samples.mixed(200, 4)
    old = reference.signatures(data, samples.SECRET)
    old[::7] ^= 1
    apart = pack(data, None, old.copy(), suite=SUITE_AEGIS256)
    same = pack(data, None, old, suite=SUITE_AEGIS256, new=old)
    assert same.new is old
    assert np.array_equal(same.new, apart.new)
    assert np.array_equal(same.rows, apart.rows)
    assert np.array_equal(same.sealed, apart.sealed)
    assert same.result == apart.result


def test_nothing_is_encoded_of_nothing_and_of_what_is_unchanged() -> None:
    assert pack(samples.zeros(0), suite=SUITE_AEGIS256, number=9).result == (0, 0, 9, 0, 0, 0, 0, 0)
    data = samples.mixed(100, 5)
    made = pack(data, None, reference.signatures(data, samples.SECRET), suite=SUITE_AEGIS256, number=9)
    assert made.result == (0, 0, 9, 0, 0, 0, 0, 0)


def test_a_run_of_zeros_is_one_row_whatever_its_length() -> None:
    made = pack(samples.zeros(5000), None, np.ones((5000, 16), np.uint8), suite=SUITE_AEGIS256)
    assert made.rows.tolist() == [(0, 0, 5000, 0, 0, 0, KIND_ZERO, 0)]
    assert (made.result.changed, made.result.zero) == (5000, 5000)


def test_after_what_does_not_compress_a_look_at_some_blocks_decides() -> None:
    """Runs of 64 blocks: random; random but for blocks that are not looked at, and for one that is; text; then as the first."""
    data = samples.random(64 * 6).reshape(6, 64, BLOCK_SIZE)
    text = np.frombuffer(b"all work and no play " * 200, dtype=np.uint8)[:BLOCK_SIZE]
    data[1, :10] = data[2, 32] = data[3] = data[5, :10] = text
    made = pack(data.reshape(-1), suite=SUITE_AEGIS256)
    assert made.rows["kind"].tolist() == [KIND_RAW, KIND_RAW, KIND_LZ4, KIND_LZ4, KIND_RAW, KIND_RAW]
    # Where nothing came before, and of a few blocks, all is tried.
    alone = pack(data[1].reshape(-1), suite=SUITE_AEGIS256)
    few = pack(data[:2].reshape(-1), extents((0, 64), (100, 15), (200, 49)), suite=SUITE_AEGIS256)
    assert (alone.rows["kind"].tolist(), few.rows["kind"].tolist()) == ([KIND_LZ4], [KIND_RAW, KIND_LZ4, KIND_RAW])
    where = np.array([[0, 64 * 6]], dtype=np.int64)
    check(made, data.reshape(-1), where, np.zeros((64 * 6, 16), np.uint8), suite=SUITE_AEGIS256, number=0, offset=0, disk=0)


def test_after_more_that_does_not_compress_one_place_of_each_run_is_looked_at_in_turn() -> None:
    """Five runs of 64 random blocks; three more, with text at the second, the first and the last place: only the last is looked at."""
    data = samples.random(64 * 8).reshape(8, 64, BLOCK_SIZE)
    data[5, 32] = data[6, 10] = data[7, 50:] = np.frombuffer(b"all work and no play " * 200, dtype=np.uint8)[:BLOCK_SIZE]
    made = pack(data.reshape(-1), suite=SUITE_AEGIS256, number=1)
    assert made.rows["kind"].tolist() == [*[KIND_RAW] * 7, KIND_LZ4]
    where = extents((0, 64 * 8))
    check(made, data.reshape(-1), where, np.zeros((64 * 8, 16), np.uint8), suite=SUITE_AEGIS256, number=1, offset=0, disk=0)


def test_the_next_call_goes_on_where_the_last_ended() -> None:
    """Four random runs, and one with text where only a look at all places finds it: in one call or in five."""
    data = samples.random(64 * 5).reshape(5, 64, BLOCK_SIZE)
    data[4, 10] = np.frombuffer(b"all work and no play " * 200, dtype=np.uint8)[:BLOCK_SIZE]
    kinds, number, futile = [], 0, 0
    for run in data:
        made = pack(run.reshape(-1), suite=SUITE_AEGIS256, number=number, futile=futile)
        kinds.append(int(made.rows["kind"][0]))
        number, futile = made.result.number, made.result.futile
    assert kinds == pack(data.reshape(-1), suite=SUITE_AEGIS256).rows["kind"].tolist() == [KIND_RAW] * 5
    assert futile == 5
    assert pack(data[4].reshape(-1), suite=SUITE_AEGIS256, number=4, futile=3).rows["kind"].tolist() == [KIND_LZ4]
    assert pack(samples.zeros(3), suite=SUITE_AEGIS256, futile=3).result.futile == 3
    assert pack(samples.text(1), suite=SUITE_AEGIS256, number=3, futile=9).result.futile == 0


def test_after_more_that_does_not_compress_each_third_short_run_is_tried() -> None:
    """Four random blocks and four of text, each a run: frames 4 and 5 are not tried, 6 is, and from then on all."""
    data = np.concatenate([samples.random(4), samples.text(4)])
    where = extents(*((2 * first, 1) for first in range(8)))
    made = pack(data, where, suite=SUITE_AEGIS256)
    assert made.rows["kind"].tolist() == [*[KIND_RAW] * 6, KIND_LZ4, KIND_LZ4]
    check(made, data, where, np.zeros((8, 16), np.uint8), suite=SUITE_AEGIS256, number=0, offset=0, disk=0)


@pytest.mark.parametrize("suite", SUITES)
def test_the_worst_cases_fit_the_bounds(suite: int) -> None:
    """Extents of one random block each; data and zeros in turn."""
    where = np.stack([np.arange(300), np.ones(300, np.int64)], axis=1)
    made = pack(samples.random(300), where, suite=suite)
    assert (made.result.sealed, made.result.frames) == encode.bounds(suite, 300)
    data = samples.random(300).reshape(300, BLOCK_SIZE)
    data[1::2] = 0
    assert pack(data.reshape(-1), None, np.ones((300, 16), np.uint8), suite=suite).result.frames == 300


def test_a_large_buffer() -> None:
    data = np.tile(samples.mixed(512, 6), 16)
    made = pack(data, extents((10, 1000), (5000, 7192)), suite=SUITE_AEGIS256)
    where = extents((10, 1000), (5000, 7192))
    check(made, data, where, np.zeros((8192, 16), np.uint8), suite=SUITE_AEGIS256, number=0, offset=0, disk=0)


def test_the_digest_follows_the_disk() -> None:
    """Added up over changes, it is the digest of the whole disk."""
    from understudy.native import blockhash

    total, signed = 0, np.zeros((300, 16), np.uint8)
    for seed in range(5):
        made = pack(samples.mixed(300, seed), None, signed.copy(), suite=SUITE_AEGIS256)
        total, signed = (total + made.result.digest) % (1 << 128), made.new
        assert total == blockhash.digest(np.array([[0, len(signed)]]), signed, samples.DIGEST_SECRET)


DATA = samples.mixed(8, 1)
BAD = {
    "half a block": ({"data": DATA[:-1]}, "whole blocks"),
    "too few extents": ({"where": extents((0, 7))}, "hold 7 blocks"),
    "too many extents": ({"where": extents((0, 9))}, "more than"),
    "no extents": ({"where": extents()}, "hold 0 blocks"),
    "empty extent": ({"where": extents((0, 0), (0, 8))}, "extent 0"),
    "negative count": ({"where": extents((0, -8), (0, 8))}, "extent 0"),
    "negative first": ({"where": extents((-1, 8))}, "extent 0"),
    "descending": ({"where": extents((8, 4), (0, 4))}, "extent 1"),
    "overlapping": ({"where": extents((0, 4), (3, 4))}, "extent 1"),
    "beyond any disk": ({"where": extents((2**51 - 7, 8))}, "beyond any disk"),
    "overflowing first": ({"where": extents((2**63 - 4, 8))}, "beyond any disk"),
    "overflowing sum": ({"where": extents((0, 2**62), (2**62, 2**62))}, "extent 0"),
    "columns": ({"where": np.zeros((4, 4), np.int64)}, r"\(R, 2\)"),
    "old": ({"old": np.zeros((7, 16), np.uint8)}, "signatures of 8"),
    "new": ({"new": np.zeros((8, 15), np.uint8)}, "signatures of 8"),
    "secret": ({"secret": samples.SECRET[:135]}, "secret"),
    "digest secret": ({"digest_secret": samples.SECRET[:0]}, "secret"),
    "key": ({"key": samples.KEY[:31]}, "key"),
    "context": ({"context": np.zeros(33, np.uint8)}, "context"),
    "number": ({"number": 2**32 - 7}, "2\\^32"),
    "negative number": ({"number": -1}, "2\\^32"),
    "futile": ({"futile": 2**63}, "futile"),
    "negative futile": ({"futile": -1}, "futile"),
    "disk": ({"disk": 2**16}, "disk"),
    "negative disk": ({"disk": -1}, "disk"),
    "offset": ({"offset": 2**63 - 1}, "offset"),
    "negative offset": ({"offset": -1}, "offset"),
    "out": ({"out": np.zeros(encode.bounds(SUITE_AEGIS256, 8)[0] - 1, np.uint8)}, "bytes and"),
    "frames": ({"frames": np.zeros(7, FRAME)}, "rows"),
    "scratch": ({"scratch": np.zeros(encode.scratch_size() - 1, np.uint8)}, "scratch"),
    "read-only out": ({"out": samples.unaligned(np.zeros(100_000, np.uint8))}, "read-only"),
    "suite": ({"suite": 3}, "suite 3"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD.keys())
def test_what_does_not_fit_is_refused_and_nothing_written(changes: dict[str, object], message: str) -> None:
    arguments = {
        "data": DATA,
        "where": None,
        "old": None,
        "suite": SUITE_AEGIS256,
        "out": np.full(encode.bounds(SUITE_AEGIS256, 8)[0], 7, np.uint8),
        "frames": np.zeros(8, FRAME),
        "new": np.full((8, 16), 7, np.uint8),
    } | changes
    kept = {name: arguments[name].copy() for name in ("out", "frames", "new")}
    suite, data, where, old = (arguments.pop(name) for name in ("suite", "data", "where", "old"))
    with pytest.raises(ValueError, match=message):
        encode.encode(
            data,
            extents((0, 8)) if where is None else where,
            np.zeros((8, 16), np.uint8) if old is None else old,
            **{
                "secret": samples.SECRET,
                "digest_secret": samples.DIGEST_SECRET,
                "suite": suite,
                "key": samples.KEY,
                "number": 0,
                "futile": 0,
                "context": samples.CONTEXT,
                "disk": 0,
                "offset": 0,
                "scratch": np.zeros(encode.scratch_size(), np.uint8),
            }
            | arguments,
        )
    assert all(np.array_equal(arguments[name], kept[name]) for name in kept)


def test_the_last_number_can_be_used() -> None:
    made = pack(samples.random(1), suite=SUITE_AEGIS256, number=2**32 - 1)
    assert (made.rows["number"].tolist(), made.result.number) == ([2**32 - 1], 2**32)


@pytest.mark.parametrize("blocks", [-1, 2**32])
def test_bounds_of_too_many_blocks(blocks: int) -> None:
    with pytest.raises(ValueError, match="blocks"):
        encode.bounds(SUITE_AEGIS256, blocks)
