"""The pipeline's stages, each by itself, in one thread and in two: reading, comparing, encoding, finishing packs, storing them."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.datasets import KINDS, SIZE, dataset
from tests.vault.kit import MACHINE, access_of
from understudy.model import BLOCK_SIZE
from understudy.native import blockhash
from understudy.store.file import FileStore
from understudy.vault.packs.pack import PackWriter

UNIT = 1024
"""Blocks: as the pipeline has it with a directory for a store."""
UNITS = SIZE // BLOCK_SIZE // UNIT
ACCESS = access_of()
THREADS = (1, 2)

pytestmark = pytest.mark.benchmark(timer=time.perf_counter)


class Part:
    """What one thread has of the data, and packs for all of it."""

    def __init__(self, data: np.ndarray, first: int, count: int) -> None:
        self.units = [data[at * UNIT * BLOCK_SIZE :][: UNIT * BLOCK_SIZE] for at in range(first, first + count)]
        self.extents = [np.array([[at * UNIT, UNIT]], np.int64) for at in range(first, first + count)]
        self.new = np.empty((UNIT, 16), np.uint8)
        self.writers = [PackWriter(ACCESS, MACHINE, [b"d" * 16]) for _ in range(-(-count // 3))]

    def known(self) -> list[np.ndarray]:
        """The signatures of its units."""
        found = [np.empty((UNIT, 16), np.uint8) for _ in self.units]
        for data, out in zip(self.units, found, strict=True):
            blockhash.sign(data, ACCESS.secrets.signature, out)
        return found

    def encode(self, old: list[np.ndarray]) -> None:
        for writer in self.writers:
            writer.reset()
        for at, (data, extents, was) in enumerate(zip(self.units, self.extents, old, strict=True)):
            self.writers[at // 3].add(0, data, extents, was, self.new)

    def changed(self) -> list[np.ndarray]:
        return [was ^ 1 for was in self.known()]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=THREADS, ids=lambda threads: f"{threads} threads")
def threads(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def run(benchmark: BenchmarkFixture, kind: str, threads: int) -> Iterator[Callable[..., None]]:
    with ThreadPoolExecutor(threads) as pool:

        def measure(what: str, function: Callable[[int], object], *, alone: bool = False) -> None:
            """`function` is given the number of the part that it is to do; they are as many as threads. `alone`: the processor is all
            that two threads share."""
            benchmark.group = kind
            against = (f"{what}, 1 thread",) if alone and threads > 1 else ()
            words = f"{what}, {threads} thread{'s' * (threads > 1)}"
            benchmark.extra_info.update(data=kind, what=words, bytes=SIZE, threads=threads, against=against)
            benchmark.pedantic(lambda: list(pool.map(function, range(threads))), rounds=7, warmup_rounds=1)

        yield measure


def parts_of(kind: str, threads: int) -> list[Part]:
    each = UNITS // threads
    return [Part(dataset(kind), number * each, each) for number in range(threads)]


def test_read(run: Callable[..., None], kind: str, threads: int, tmp_path: Path) -> None:
    """From a file that the page cache holds."""
    path, share = tmp_path / "image", SIZE // threads
    dataset(kind).tofile(path)
    buffers = [np.ones(UNIT * BLOCK_SIZE, np.uint8) for _ in range(threads)]
    with path.open("rb", buffering=0) as file:

        def read(number: int) -> None:
            for at in range(number * share, (number + 1) * share, UNIT * BLOCK_SIZE):
                assert os.preadv(file.fileno(), [buffers[number]], at) == UNIT * BLOCK_SIZE

        run("read", read)


def test_compare(run: Callable[..., None], kind: str, threads: int) -> None:
    parts = parts_of(kind, threads)
    known = [part.known() for part in parts]
    run("compare, unchanged", lambda number: parts[number].encode(known[number]), alone=True)


def test_encode(run: Callable[..., None], kind: str, threads: int) -> None:
    parts = parts_of(kind, threads)
    old = [part.changed() for part in parts]
    run("encode, changed", lambda number: parts[number].encode(old[number]), alone=True)


def test_finish(run: Callable[..., None], kind: str, threads: int) -> None:
    parts = parts_of(kind, threads)
    for part in parts:
        part.encode(part.changed())
    run("finish packs", lambda number: [writer.finish() for writer in parts[number].writers])


def test_store(run: Callable[..., None], kind: str, threads: int, tmp_path: Path) -> None:
    """In a directory, synced."""
    parts = parts_of(kind, threads)
    for part in parts:
        part.encode(part.changed())
    packs = [[writer.finish().buffers for writer in part.writers] for part in parts]

    async def put(number: int) -> None:
        store = FileStore(tmp_path / str(number), make=True)
        for at, buffers in enumerate(packs[number]):
            await store.create(f"pack-{at}", buffers)
        await store.close()
        shutil.rmtree(tmp_path / str(number))

    run("store packs", lambda number: asyncio.run(put(number)))
