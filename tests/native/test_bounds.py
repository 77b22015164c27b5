"""No kernel, and no library under it, touches a byte beside its buffers."""

import numpy as np
import pytest

from tests.native import reference, samples
from tests.native.frames import extents
from tests.native.guarded import guarded
from understudy.native import aead, blockhash, capi, decode, delta, encode, lz4block
from understudy.native.layout import BLOCK_SIZE, FRAME, SUITE_XCHACHA20POLY1305

SIDES = pytest.mark.parametrize("end", [True, False])
KINDS = [samples.mixed(130, 1), samples.random(65, 2), samples.text(65, 3), samples.mixed(1, 4)]


@SIDES
@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_encode_and_decode(provider: str, kind: int, end: bool) -> None:
    data = KINDS[kind]
    blocks = len(data) // BLOCK_SIZE
    secret, key, context = (guarded(array, end=end) for array in (samples.SECRET[:136], samples.KEY, samples.CONTEXT))
    for suite in capi.suites():
        size, count = encode.bounds(suite, blocks)
        out, rows = guarded(np.zeros(size, np.uint8), end=end), guarded(np.zeros(count, FRAME), end=end)
        result = encode.encode(
            guarded(data, end=end),
            guarded(extents((3, blocks)), end=end),
            guarded(np.ones((blocks, 16), np.uint8), end=end),
            secret=secret,
            digest_secret=secret,
            suite=suite,
            key=key,
            number=0,
            futile=0,
            context=context,
            disk=0,
            offset=0,
            out=out,
            frames=rows,
            new=guarded(np.zeros((blocks, 16), np.uint8), end=end),
            scratch=guarded(np.zeros(encode.scratch_size(), np.uint8), end=end),
        )
        back = guarded(np.zeros(len(data), np.uint8), end=end)
        decode.decode(
            guarded(out[: result.sealed], end=end),
            0,
            guarded(rows[: result.frames], end=end),
            suite=suite,
            key=key,
            context=context.reshape(1, 32),
            out=back,
            scratch=guarded(np.zeros(encode.scratch_size(), np.uint8), end=end),
        )
        assert np.array_equal(back, data)


@SIDES
def test_decode_of_rubbish(provider: str, end: bool) -> None:
    """Authentic frames whose payload is cut and altered at random, each beside a guard."""
    rng = np.random.default_rng(7)
    plain = samples.text(2, 1)
    room, sizes = np.zeros(lz4block.bound(len(plain)), np.uint8), np.zeros(1, np.int64)
    packed = room[: lz4block.compress(plain, np.array([len(plain)]), room, sizes)]
    rows = np.zeros(1, FRAME)
    rows["blocks"], rows["kind"] = 2, 1
    out, scratch = guarded(np.zeros(len(plain), np.uint8), end=end), guarded(np.zeros(encode.scratch_size(), np.uint8), end=end)
    refused = 0
    for _ in range(300):
        payload = packed[: int(rng.integers(1, len(packed) + 1))].copy()
        payload[rng.integers(0, len(payload), 3)] = rng.choice([0, 1, 15, 0xF0, 0xFF], 3)
        sealed = reference.seal(
            SUITE_XCHACHA20POLY1305, samples.KEY.tobytes(), 0, payload.tobytes(), reference.associated(samples.CONTEXT.tobytes(), rows[0])
        )
        rows["length"] = len(sealed)
        arguments = {"suite": SUITE_XCHACHA20POLY1305, "key": samples.KEY, "context": samples.CONTEXT.reshape(1, 32), "scratch": scratch}
        try:
            decode.decode(guarded(np.frombuffer(sealed, np.uint8), end=end), 0, guarded(rows, end=end), out=out, **arguments)
        except decode.FrameError:
            refused += 1
            assert not out.any()
    assert refused > 250


@SIDES
@pytest.mark.parametrize("length", [0, 1, 13, 4096, 5000, 262144])
def test_pieces(provider: str, length: int, end: bool) -> None:
    data, lengths = guarded(samples.text(64, 1)[:length], end=end), np.array([length], np.int64)
    packed, sizes = guarded(np.zeros(lz4block.bound(length), np.uint8), end=end), np.zeros(1, np.int64)
    written = lz4block.compress(data, lengths, packed, sizes)
    back = guarded(np.zeros(length, np.uint8), end=end)
    assert lz4block.decompress(guarded(packed[:written], end=end), sizes, back, lengths) == length
    assert np.array_equal(back, data)
    numbers, extra = np.zeros(1, np.uint64), guarded(np.zeros((1, 45), np.uint8), end=end)
    for suite in capi.suites():
        tag = aead.overhead(suite)
        sealed = guarded(np.zeros(length + tag, np.uint8), end=end)
        assert aead.seal(suite, samples.KEY, numbers, data, lengths, extra, sealed) == length + tag
        assert aead.open(suite, samples.KEY, numbers, sealed, lengths + tag, extra, back) == length
        assert np.array_equal(back, data)


@SIDES
@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 12288])
def test_signing(provider: str, length: int, end: bool) -> None:
    data, blocks = guarded(samples.random(3)[:length], end=end), -(-length // BLOCK_SIZE)
    signed = guarded(np.zeros((blocks, 16), np.uint8), end=end)
    secret = guarded(samples.SECRET[:136], end=end)
    assert blockhash.sign_tail(data, secret, signed) == 0
    assert blockhash.digest(guarded(np.array([[0, blocks]]), end=end), signed, secret) > 0
    if length % BLOCK_SIZE == 0:
        assert delta.differs(data, signed, secret, guarded(np.zeros(blocks, np.uint8), end=end)) == 0
        assert delta.differs_from(data, guarded(data, end=end), guarded(np.zeros(blocks, np.uint8), end=end)) == 0


def test_a_match_at_distance_zero_shows_nothing_of_what_the_memory_held(provider: str) -> None:
    """LZ4 does not refuse such a match, which would repeat what lies at the output itself."""
    for match in (*range(4, 80), 300, 3000):
        more = match - 19
        length = bytes([0x1F]) if more >= 0 else bytes([0x10 | match - 4])
        extra = b"\xff" * (more // 255) + bytes([more % 255]) if more >= 0 else b""
        tail = bytes(range(100, 200))
        payload = length + b"a" + b"\0\0" + extra + b"\xf0" + bytes([len(tail) - 15]) + tail
        out = np.full(1 + match + len(tail), 0xBB, np.uint8)
        lz4block.decompress(np.frombuffer(payload, np.uint8), np.array([len(payload)]), out, np.array([len(out)]))
        assert not out[1 : 1 + match].any()
