"""Every kernel over four kinds of data, and what matters most over adversarial ones, beside what it cannot beat: memcpy, and each library
function alone."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench import limits
from bench.datasets import ADVERSARIAL, KINDS, SIZE, dataset
from understudy.native import aead, blockhash, decode, delta, encode, lz4block
from understudy.native.layout import BLOCK_SIZE, FRAME, SUITE_AEGIS256, SUITE_XCHACHA20POLY1305

BLOCKS = SIZE // BLOCK_SIZE
UNIT = 4 << 20
"""Bytes that are encoded at once of a large image."""
UNITS = SIZE // limits.FRAME
SECRET = np.random.default_rng(3).integers(0, 256, 192, dtype=np.uint8)
KEY = SECRET[:32].copy()
LENGTHS = np.full(UNITS, limits.FRAME, np.int64)
CIPHERS = {"aegis256": SUITE_AEGIS256, "xchacha20poly1305_ietf": SUITE_XCHACHA20POLY1305}

Run = Callable[..., None]

# A core's time, not the clock's: other work on the machine then costs caches and memory bandwidth, but not turns.
pytestmark = pytest.mark.benchmark(timer=time.thread_time)


HARD = ("xxh3_alone", "lz4_alone", "unlz4_alone", "cipher_alone", "sign", "encode_unchanged", "encode_changed", "decode")
"""Which are run on adversarial data, too."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    hard = metafunc.function.__name__.removeprefix("test_") in HARD
    metafunc.parametrize("kind", (*KINDS, *ADVERSARIAL) if hard else KINDS, scope="module")


@pytest.fixture
def data(kind: str) -> np.ndarray:
    return dataset(kind)


@pytest.fixture
def run(benchmark: BenchmarkFixture, kind: str) -> Run:
    def measure(what: str, function: Callable[[], object], *against: str, beside: Callable[[], object] | None = None) -> None:
        benchmark.group = kind
        benchmark.extra_info.update(data=kind, what=what, bytes=SIZE, against=against)
        if beside:
            benchmark.extra_info["beside"] = in_turn(function, beside)
        begun = time.perf_counter()
        function()
        # About half a second each, so that a quick kernel too meets a moment in which the machine has little else to do.
        rounds = min(max(int(0.5 / (time.perf_counter() - begun)), 7), 150)
        benchmark.pedantic(function, rounds=rounds, warmup_rounds=1)

    return measure


def in_turn(function: Callable[[], object], limit: Callable[[], object]) -> float:
    """The limit's time over the kernel's, measured in turn: a busy machine's memory bandwidth halves and doubles from second to second."""
    times: dict[Callable[[], object], list[float]] = {function: [], limit: []}
    end = time.perf_counter() + 1
    while time.perf_counter() < end or len(times[limit]) < 7:
        for call, taken in times.items():
            begun = time.thread_time()
            call()
            taken.append(time.thread_time() - begun)
    return float(np.median(times[limit]) / np.median(times[function]))


def room(factor: float = 1.1) -> np.ndarray:
    return np.ones(int(SIZE * factor), np.uint8)


class Encoder:
    """One thread's buffers around encode."""

    def __init__(self, data: np.ndarray, suite: int) -> None:
        self.data, self.suite, self.blocks = data, suite, len(data) // BLOCK_SIZE
        size, rows = encode.bounds(suite, self.blocks)
        self.out, self.rows = np.ones(size, np.uint8), np.zeros(rows, FRAME)
        self.new, self.scratch = np.ones((self.blocks, 16), np.uint8), np.ones(encode.scratch_size(), np.uint8)
        self.extents = np.array([[0, self.blocks]], np.int64)
        self.futile = 0

    def __call__(self, old: np.ndarray) -> encode.Encoded:
        encoded = encode.encode(
            self.data,
            self.extents,
            old,
            secret=SECRET,
            digest_secret=SECRET,
            suite=self.suite,
            key=KEY,
            number=0,
            futile=self.futile,
            context=KEY,
            disk=0,
            offset=0,
            out=self.out,
            frames=self.rows,
            new=self.new,
            scratch=self.scratch,
        )
        self.futile = encoded.futile
        return encoded


def test_memcpy(data: np.ndarray, run: Run) -> None:
    out = room(1)
    run("memcpy", lambda: np.copyto(out, data))


def test_xxh3_alone(data: np.ndarray, run: Run) -> None:
    run("xxh3", lambda: limits.hash_blocks(data, SECRET))


def test_lz4_alone(data: np.ndarray, run: Run) -> None:
    out, sizes, state = room(), np.zeros(UNITS, np.int32), np.zeros(4096, np.int64)
    run("lz4", lambda: limits.compress_frames(data, out, sizes, state))


def test_unlz4_alone(data: np.ndarray, run: Run) -> None:
    out, sizes, state = room(), np.zeros(UNITS, np.int32), np.zeros(4096, np.int64)
    limits.compress_frames(data, out, sizes, state)
    back = room(1)
    run("unlz4", lambda: limits.decompress_frames(out, sizes, back))


@pytest.mark.parametrize("cipher", CIPHERS)
def test_cipher_alone(data: np.ndarray, run: Run, cipher: str) -> None:
    out = room()
    run(cipher, lambda: limits.seal_frames(cipher, data, out, KEY))


def test_sign(data: np.ndarray, run: Run) -> None:
    out = np.zeros((BLOCKS, 16), np.uint8)
    run("sign", lambda: blockhash.sign(data, SECRET, out), "xxh3", beside=lambda: limits.hash_blocks(data, SECRET))


def test_differs(data: np.ndarray, run: Run) -> None:
    old, out = np.zeros((BLOCKS, 16), np.uint8), np.zeros(BLOCKS, np.uint8)
    blockhash.sign(data, SECRET, old)
    run("differs", lambda: delta.differs(data, old, SECRET, out), "xxh3")


def test_differs_from(data: np.ndarray, run: Run) -> None:
    other, out = data.copy(), np.zeros(BLOCKS, np.uint8)
    run("differs_from", lambda: delta.differs_from(data, other, out), "memcpy")


def test_compress(data: np.ndarray, run: Run) -> None:
    out, sizes = room(), np.zeros(UNITS, np.int64)
    run("compress", lambda: lz4block.compress(data, LENGTHS, out, sizes), "lz4")


def test_decompress(data: np.ndarray, run: Run) -> None:
    out, sizes, back = room(), np.zeros(UNITS, np.int64), room(1)
    packed = out[: lz4block.compress(data, LENGTHS, out, sizes)]
    run("decompress", lambda: lz4block.decompress(packed, sizes, back, LENGTHS), "unlz4")


@pytest.mark.parametrize("cipher", CIPHERS)
def test_seal(data: np.ndarray, run: Run, cipher: str) -> None:
    suite, numbers, extra, out = CIPHERS[cipher], np.arange(UNITS, dtype=np.uint64), np.zeros((UNITS, 45), np.uint8), room()
    run(f"seal {cipher}", lambda: aead.seal(suite, KEY, numbers, data, LENGTHS, extra, out), cipher)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_open(data: np.ndarray, run: Run, cipher: str) -> None:
    suite, numbers, extra, out = CIPHERS[cipher], np.arange(UNITS, dtype=np.uint64), np.zeros((UNITS, 45), np.uint8), room()
    sealed = out[: aead.seal(suite, KEY, numbers, data, LENGTHS, extra, out)]
    back = room(1)
    run(f"open {cipher}", lambda: aead.open(suite, KEY, numbers, sealed, LENGTHS + aead.overhead(suite), extra, back), cipher)


def test_encode_unchanged(data: np.ndarray, run: Run) -> None:
    encoder = Encoder(data, SUITE_AEGIS256)
    old = np.zeros((BLOCKS, 16), np.uint8)
    blockhash.sign(data, SECRET, old)
    run("encode, unchanged", lambda: encoder(old), "xxh3", beside=lambda: limits.hash_blocks(data, SECRET))


@pytest.mark.parametrize("cipher", CIPHERS)
def test_encode_changed(data: np.ndarray, run: Run, cipher: str) -> None:
    encoder, old = Encoder(data, CIPHERS[cipher]), np.ones((BLOCKS, 16), np.uint8)
    out, sizes, state = room(), np.zeros(UNITS, np.int32), np.zeros(4096, np.int64)
    compress = partial(limits.compress_frames, data, out, sizes, state)
    run(f"encode, changed, {cipher[:8]}", lambda: encoder(old), "lz4", "xxh3", cipher, beside=compress)


def test_encode_every_second_block(data: np.ndarray, run: Run) -> None:
    """Frames of one block: the cost of small runs."""
    encoder, old = Encoder(data, SUITE_AEGIS256), np.zeros((BLOCKS, 16), np.uint8)
    blockhash.sign(data, SECRET, old)
    old[::2] ^= 1
    run("encode, every second", lambda: encoder(old), "lz4", "xxh3")


@pytest.mark.benchmark(timer=time.perf_counter)
def test_encode_changed_by_the_clock(data: np.ndarray, run: Run) -> None:
    encoder, old = Encoder(data, SUITE_AEGIS256), np.ones((BLOCKS, 16), np.uint8)
    run("encode, by the clock", lambda: encoder(old))


@pytest.mark.benchmark(timer=time.perf_counter)
def test_encode_changed_in_two_threads(data: np.ndarray, run: Run) -> None:
    """In units as a cycle's, each for who is free: one half may compress harder than the other."""
    encoders = [Encoder(data[at : at + UNIT], SUITE_AEGIS256) for at in range(0, SIZE, UNIT)]
    old = np.ones((UNIT // BLOCK_SIZE, 16), np.uint8)

    def encode_some(left: Iterator[Encoder]) -> None:
        for encoder in left:
            encoder(old)

    with ThreadPoolExecutor(2) as pool:
        run("encode, 2 threads", lambda: list(pool.map(encode_some, [iter(encoders)] * 2)), "encode, by the clock")


def test_decode(data: np.ndarray, run: Run) -> None:
    encoder, old = Encoder(data, SUITE_AEGIS256), np.ones((BLOCKS, 16), np.uint8)
    made = encoder(old)
    rows, sealed, back = encoder.rows[: made.frames].copy(), encoder.out[: made.sealed], room(1)
    arguments = {"suite": SUITE_AEGIS256, "key": KEY, "context": KEY.reshape(1, 32), "out": back, "scratch": encoder.scratch}
    run("decode", lambda: decode.decode(sealed, 0, rows, **arguments), "unlz4", "aegis256")
