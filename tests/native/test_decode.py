"""decode gives back what was encoded, and refuses everything else with the frame's row, number and reason."""

import lz4.block
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.native import reference, samples
from tests.native.frames import Pack, extents, pack, unpack
from understudy.native import capi, decode
from understudy.native.layout import BLOCK_SIZE, FRAME, KIND_LZ4, KIND_RAW, KIND_ZERO, SUITE_AEGIS256, SUITE_XCHACHA20POLY1305

SUITES = [SUITE_AEGIS256, SUITE_XCHACHA20POLY1305]
BOTH = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sample(suite: int = SUITE_AEGIS256, number: int = 40) -> tuple[np.ndarray, Pack]:
    """Six rows: text, zeros, random, text (64 blocks), text, zeros."""
    data = np.concatenate([samples.text(3, 1), samples.zeros(2), samples.random(2, 2), samples.text(70, 3), samples.zeros(9)])
    where = extents((5, 5), (100, 2), (200, 79))
    old = np.full((86, 16), 1, np.uint8)
    made = pack(data, where, old, suite=suite, number=number)
    assert made.rows["kind"].tolist() == [KIND_LZ4, KIND_ZERO, KIND_RAW, KIND_LZ4, KIND_LZ4, KIND_ZERO]
    return data, made


def refused(sealed: np.ndarray, rows: np.ndarray, *, suite: int = SUITE_AEGIS256, row: int, reason: str, **changes: object) -> None:
    """The error names the row; only the blocks of rows before it are there."""
    blocks = np.minimum(rows["blocks"], 80).astype(int)
    out = np.full((int(blocks.sum()) + 4) * BLOCK_SIZE, 0xBB, np.uint8)
    sound = changes.pop("sound", None)
    with pytest.raises(decode.FrameError, match=reason) as caught:
        unpack(sealed, rows, suite=suite, **({"out": out} | changes))
    assert (caught.value.row, caught.value.number) == (row, rows["number"][row])
    assert caught.value.reason in str(caught.value)
    if sound is not None and "out" not in changes:
        before = int(blocks[:row].sum()) * BLOCK_SIZE
        after = before + int(blocks[row]) * BLOCK_SIZE
        assert np.array_equal(out[:before], sound[:before])
        assert not out[before:after].any() or (out[before:after] == 0xBB).all()
        assert (out[after:] == 0xBB).all()


@BOTH
@given(blocks=st.integers(0, 200), seed=st.integers(0, 2**32), base=st.integers(0, 2**50), shift=st.integers(0, 15))
def test_what_was_encoded_comes_back(provider: str, blocks: int, seed: int, base: int, shift: int) -> None:
    data = samples.mixed(blocks, seed)
    for suite in capi.suites():
        made = pack(data, None, np.full((blocks, 16), 3, np.uint8), suite=suite, offset=base)
        rows = np.random.default_rng(seed).permutation(made.rows)
        back = unpack(samples.unaligned(made.sealed, shift), rows, suite=suite, base=base)
        wanted = [data[int(r["first"]) * BLOCK_SIZE : int(r["first"] + r["blocks"]) * BLOCK_SIZE] for r in rows]
        assert np.array_equal(back, np.concatenate([samples.zeros(0), *wanted]))


def test_one_provider_reads_what_the_other_wrote() -> None:
    data = samples.mixed(300, 8)
    for writer, reader in (("wheel", "system"), ("system", "wheel")):
        capi.bind(writer)
        made = pack(data, None, np.full((300, 16), 3, np.uint8), suite=SUITE_XCHACHA20POLY1305)
        capi.bind(reader)
        assert np.array_equal(unpack(made.sealed, made.rows, suite=SUITE_XCHACHA20POLY1305), data)
    capi.bind("wheel")


def test_only_what_is_needed_of_the_pack_is_passed() -> None:
    data, made = sample()
    rows = made.rows[2:4]
    low, high = int(rows["offset"][0]), int(rows["offset"][-1] + rows["length"][-1])
    part = made.sealed[low:high].copy()
    assert np.array_equal(unpack(part, rows, suite=SUITE_AEGIS256, base=low), data[5 * BLOCK_SIZE : 71 * BLOCK_SIZE])
    for cut, reason, row in ((part[:-1], "outside", 1), (part[: int(rows["length"][0]) - 1], "outside", 0), (part[:0], "outside", 0)):
        refused(cut, rows, row=row, reason=reason, base=low)
    refused(part, rows, row=0, reason="outside", base=low + 1)
    refused(part, rows, row=0, reason="authentic", base=low - 1)


def test_nothing_gives_nothing() -> None:
    empty = np.empty(0, np.uint8)
    assert len(unpack(empty, np.empty(0, FRAME), suite=SUITE_AEGIS256, context=np.empty((0, 32), np.uint8), out=empty)) == 0


def test_frames_of_several_disks_under_their_own_contexts() -> None:
    contexts = np.stack([samples.CONTEXT, samples.CONTEXT ^ 1, samples.CONTEXT ^ 2])
    first = pack(samples.text(5, 1), suite=SUITE_AEGIS256, disk=2, context=contexts[2])
    second = pack(
        samples.text(5, 2), suite=SUITE_AEGIS256, disk=0, context=contexts[0], number=first.result.number, offset=first.result.sealed
    )
    sealed, rows = np.concatenate([first.sealed, second.sealed]), np.concatenate([first.rows, second.rows])
    back = unpack(sealed, rows, suite=SUITE_AEGIS256, context=contexts)
    assert np.array_equal(back, np.concatenate([samples.text(5, 1), samples.text(5, 2)]))
    refused(sealed, rows, row=0, reason="authentic", context=contexts[::-1].copy())
    refused(sealed, rows, row=0, reason="table of disks", context=contexts[:2])


@pytest.mark.parametrize("suite", SUITES)
def test_every_bit_of_every_frame_is_authentic(suite: int) -> None:
    """Every bit of small frames, and of the first and last bytes of large ones."""
    data, made = sample(suite)
    for index in np.flatnonzero(made.rows["kind"] != KIND_ZERO):
        row = made.rows[index : index + 1]
        start, length = int(row["offset"][0]), int(row["length"][0])
        places = [*range(80), *range(80, length - 80, 997), *range(length - 80, length)]
        for place in places:
            altered = made.sealed.copy()
            altered[start + place] ^= 1 << (place % 8)
            refused(altered, row, suite=suite, row=0, reason="authentic", sound=data)


def test_every_bit_of_every_row_is_checked() -> None:
    """A row of a data frame changed in any one bit is refused; so is one of zeros, but for its extent, which the footer's seal guards."""
    data, made = sample()
    for index, row in enumerate(made.rows):
        for bit in range(FRAME.itemsize * 8):
            rows = made.rows[: index + 1].copy()
            rows.view(np.uint8).reshape(len(rows), -1)[index, bit // 8] ^= 1 << (bit % 8)
            if row["kind"] == KIND_ZERO and rows["kind"][index] == KIND_ZERO and rows["reserved"][index] == 0:
                changed = [name for name in FRAME.names if rows[name][index] != row[name]]
                if changed == ["first"] and int(rows["first"][index]) + int(row["blocks"]) <= 2**51:
                    continue
                if changed == ["blocks"] and 0 < rows["blocks"][index] <= 84:
                    continue
            refused(made.sealed, rows, row=index, reason="frame", sound=data)


HOSTILE = {
    "kind": ("kind", 3, "kind"),
    "kind 255": ("kind", 255, "kind"),
    "zero kind of data": ("kind", KIND_ZERO, "run of zeros"),
    "raw for lz4": ("kind", KIND_RAW, "length"),
    "reserved": ("reserved", 1, "reserved"),
    "disk": ("disk", 1, "table of disks"),
    "last disk": ("disk", 0xFFFF, "table of disks"),
    "no blocks": ("blocks", 0, "no blocks"),
    "65 blocks": ("blocks", 65, "more blocks"),
    "all blocks": ("blocks", 2**32 - 1, "more blocks"),
    "one block fewer": ("blocks", 2, "authentic"),
    "first": ("first", 6, "authentic"),
    "first beyond": ("first", 2**51 - 2, "beyond the end"),
    "first overflowing": ("first", 2**64 - 1, "beyond the end"),
    "offset": ("offset", 1, "authentic"),
    "offset at the end": ("offset", 2**20, "outside"),
    "offset overflowing": ("offset", 2**64 - 1, "outside"),
    "offset overflowing to the start": ("offset", 2**64 - 100, "outside"),
    "number": ("number", 41, "authentic"),
    "last number": ("number", 2**32 - 1, "authentic"),
    "no length": ("length", 0, "length"),
    "only a tag": ("length", 32, "length"),
    "longer than its blocks": ("length", 3 * BLOCK_SIZE + 32, "length"),
    "length": ("length", 2**32 - 1, "length"),
}


@pytest.mark.parametrize(("field", "value", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_fields(field: str, value: int, reason: str) -> None:
    data, made = sample()
    rows = made.rows.copy()
    rows[field][0] = value
    refused(made.sealed, rows, row=0, reason=reason, sound=data)


def test_more_blocks_than_the_output_holds() -> None:
    data, made = sample()
    refused(made.sealed, made.rows, row=5, reason="output", out=np.zeros(len(data) - 1, np.uint8))
    refused(made.sealed, made.rows, row=0, reason="output", out=np.zeros(0, np.uint8))
    rows = np.zeros(3, FRAME)
    rows["blocks"] = 1, 2**32 - 1, 2**32 - 1
    refused(made.sealed, rows, row=1, reason="output", out=np.zeros(BLOCK_SIZE, np.uint8))


def test_swapped_frames_are_refused() -> None:
    """Two frames of equal size that change places in the pack."""
    made = pack(samples.random(128), suite=SUITE_AEGIS256)
    rows = made.rows.copy()
    rows["offset"] = rows["offset"][::-1].copy()
    refused(made.sealed, rows, row=0, reason="authentic")


def test_another_key_context_or_suite_is_refused() -> None:
    _, made = sample()
    refused(made.sealed, made.rows, row=0, reason="authentic", key=samples.KEY ^ 1)
    refused(made.sealed, made.rows, row=0, reason="authentic", context=samples.CONTEXT.reshape(1, 32) ^ 1)
    refused(made.sealed, made.rows, suite=SUITE_XCHACHA20POLY1305, row=0, reason="authentic")


def crafted(payload: bytes, kind: int = KIND_LZ4, blocks: int = 1, suite: int = SUITE_AEGIS256) -> tuple[np.ndarray, np.ndarray]:
    """A frame that is authentic, from someone who has the pack's key and means harm."""
    rows = np.zeros(1, FRAME)
    rows["blocks"], rows["kind"] = blocks, kind
    sealed = reference.seal(suite, samples.KEY.tobytes(), 0, payload, reference.associated(samples.CONTEXT.tobytes(), rows[0]))
    rows["length"] = len(sealed)
    return np.frombuffer(sealed, np.uint8), rows


def test_authentic_frames_that_do_not_decompress_to_their_blocks(provider: str) -> None:
    suite = SUITE_XCHACHA20POLY1305
    good = lz4.block.compress(samples.text(2).tobytes(), store_size=False)
    assert np.array_equal(unpack(*crafted(good, blocks=2, suite=suite), suite=suite), samples.text(2))
    bad = [
        good[:-1],
        good + b"\0",
        lz4.block.compress(samples.text(1).tobytes(), store_size=False),
        lz4.block.compress(samples.text(3).tobytes(), store_size=False),
        b"\0",
        b"\xff" * 5000,
        b"\x1f" + b"a" + b"\xff\xff" + b"\xff" * 3000 + b"\0",  # a match far before the start
        b"\xf0" + b"\xff" * 4000,  # literals far beyond the end
    ]
    for payload in bad:
        sealed, rows = crafted(payload, blocks=2, suite=suite)
        refused(sealed, rows, suite=suite, row=0, reason="decompress|length", sound=samples.zeros(0))


@BOTH
@given(payload=st.binary(min_size=1, max_size=4095))
def test_any_authentic_bytes_are_blocks_or_refused(provider: str, payload: bytes) -> None:
    suite = SUITE_XCHACHA20POLY1305
    sealed, rows = crafted(payload, suite=suite)
    try:
        plain = lz4.block.decompress(payload, uncompressed_size=BLOCK_SIZE)
    except lz4.block.LZ4BlockError:
        plain = b""
    if len(plain) == BLOCK_SIZE:
        assert unpack(sealed, rows, suite=suite).tobytes() == plain
    else:
        refused(sealed, rows, suite=suite, row=0, reason="decompress")


@BOTH
@given(rows=st.binary(min_size=0, max_size=20 * FRAME.itemsize), base=st.integers(0, 2**63 - 1), size=st.integers(0, 3))
def test_any_bytes_as_index_are_refused_or_zeros(rows: bytes, base: int, size: int) -> None:
    _, made = sample()
    index = np.frombuffer(rows[: len(rows) // FRAME.itemsize * FRAME.itemsize], FRAME)
    try:
        back = unpack(made.sealed, index, suite=SUITE_AEGIS256, base=base, out=samples.random(size))
    except decode.FrameError:
        return
    assert not back.any()


BAD = {
    "key": ({"key": samples.KEY[:31]}, "key"),
    "context": ({"context": np.zeros((1, 31), np.uint8)}, "contexts"),
    "scratch": ({"scratch": np.zeros(10, np.uint8)}, "scratch"),
    "negative base": ({"base": -1}, "base"),
    "base": ({"base": 2**63}, "base"),
    "suite": ({"suite": 0}, "suite 0"),
}


@pytest.mark.parametrize(("changes", "message"), BAD.values(), ids=BAD.keys())
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    _, made = sample()
    with pytest.raises(ValueError, match=message):
        unpack(made.sealed, made.rows, **({"suite": SUITE_AEGIS256} | changes))
