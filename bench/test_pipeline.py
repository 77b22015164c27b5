"""A cycle's middle, from blocks in memory to finished packs, beside one core's LZ4 and XXH3 in the same run; and whole cycles of files."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.datasets import KINDS, SIZE, dataset
from tests.replication.world import World
from tests.vault.kit import MACHINE, DictStore, access_of
from understudy import extents as ext
from understudy.model import BLOCK_SIZE, Bytes, BytesLike, DiskInfo, Extents, Untracked
from understudy.native import blockhash
from understudy.replication.journal import Head, JournalDisk, JournalWriter
from understudy.replication.pipeline import DiskWork, Pipeline
from understudy.replication.sigfile import Header, SignatureFile
from understudy.store.protocol import Creation

BLOCKS = SIZE // BLOCK_SIZE
DISK = b"d" * 16
ACCESS = access_of()

pytestmark = pytest.mark.benchmark(timer=time.perf_counter)


class Memory:
    """A disk in memory, its blocks copied once, as from a socket."""

    def __init__(self, data: Bytes) -> None:
        self.data = data.reshape(-1, BLOCK_SIZE)

    @property
    def info(self) -> DiskInfo:
        return DiskInfo("vda", self.data.size)

    async def changed(self) -> Untracked:
        return Untracked()

    async def allocated(self) -> Extents:
        return ext.whole(len(self.data))

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        for first, count in extents.tolist():
            buffer[:] = self.data[first : first + count].reshape(-1)


class Nowhere(DictStore):
    """Takes everything and keeps nothing."""

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        return Creation.CREATED


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def signature_file(path: Path, signatures: np.ndarray | None) -> SignatureFile:
    header = Header(vault=bytes(16), machine=bytes(16), disk=DISK, key=bytes(16), point=bytes(16), size=SIZE)
    file = SignatureFile.begin(path, header)
    if signatures is not None:
        file.write(ext.whole(BLOCKS), signatures)
    file.finish()
    return file


@pytest.mark.parametrize("threads", [1, 2], ids=lambda threads: f"{threads} threads")
@pytest.mark.parametrize("what", ["changed", "unchanged"])
def test_pipeline(benchmark: BenchmarkFixture, kind: str, what: str, threads: int, tmp_path: Path) -> None:
    data = dataset(kind)
    known = None
    if what == "unchanged":
        known = np.empty((BLOCKS, 16), np.uint8)
        blockhash.sign(data, ACCESS.secrets.signature, known)
    file = signature_file(tmp_path / "signatures", known)
    head = Head(point=b"q" * 16, parent=bytes(16), disks=(JournalDisk(id=DISK, size=SIZE),))

    def run() -> None:
        journal = JournalWriter(tmp_path / "journal", head)
        with ThreadPoolExecutor(threads) as pool:
            pipeline = Pipeline(ACCESS, Nowhere(), MACHINE, (DISK,), journal, pool, lambda _: None, [], False)
            asyncio.run(pipeline.run([DiskWork(0, Memory(data), ext.whole(BLOCKS), file)]))
        journal.abandon()

    benchmark.group = kind
    against = ("lz4",) if what == "changed" else ("xxh3",)
    words = f"pipeline, {what}, {threads} thread{'s' * (threads > 1)}"
    benchmark.extra_info.update(data=kind, what=words, bytes=SIZE, threads=threads, against=against)
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    file.close()


@pytest.mark.parametrize("what", ["nothing", "one block"])
def test_cycle_of_a_file(benchmark: BenchmarkFixture, what: str, tmp_path: Path) -> None:
    """A whole cycle with its fsyncs, of a machine that did nothing or next to nothing."""
    world = World(tmp_path)
    world.disk("vda").write_bytes(bytes(range(1, 256)) * 4096)

    turns = iter(range(1, 1000))
    with asyncio.Runner() as runner, ExitStack() as stack:
        runner.run(world.create())
        opened = world.replicator()
        replicator = runner.run(opened.__aenter__())
        stack.callback(lambda: runner.run(opened.__aexit__(None, None, None)))
        runner.run(replicator.open())

        def cycle() -> None:
            if what != "nothing":
                with world.disk("vda").open("r+b") as file:
                    file.write(next(turns).to_bytes(8, "big"))
            runner.run(replicator.cycle())

        benchmark.group = "whole cycles"
        benchmark.pedantic(cycle, rounds=20, warmup_rounds=1)
