"""Bitmaps against memcpy, and extent maps against their target: a million extents resolved in a second within 512 MiB."""

import asyncio

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.vault.kit import MACHINE, Machine, content, disk_id, index_only_pack
from understudy.model import BLOCK_SIZE, blocks_of
from understudy.native import bitmap, diskmap
from understudy.native.layout import KIND_LZ4, PIECE
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS
from understudy.vault.maps.reader import PointReader
from understudy.vault.maps.resolve import resolve
from understudy.vault.packs.pack import PackWriter

BITS = 1 << 27
"""8 TiB at 64 KiB."""


def dirty(share: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    bits = np.zeros(BITS, np.uint8)
    starts = rng.integers(0, BITS - 64, int(BITS * share / 32))
    for start, length in zip(starts.tolist(), rng.integers(1, 64, len(starts)).tolist(), strict=True):
        bits[start : start + length] = 1
    return np.packbits(bits, bitorder="little")


@pytest.mark.benchmark(group="bitmap, 16 MiB")
def test_memcpy(benchmark: BenchmarkFixture) -> None:
    source = dirty(0.001)
    target = np.empty_like(source)
    benchmark(np.copyto, target, source)


@pytest.mark.benchmark(group="bitmap, 16 MiB")
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05])
def test_scan(benchmark: BenchmarkFixture, share: float) -> None:
    source = dirty(share)
    out = np.empty((bitmap.count_runs(source, BITS), 2), np.int64)
    benchmark(bitmap.to_extents, source, BITS, out)
    benchmark.extra_info["extents"] = len(out)


@pytest.mark.benchmark(group="bitmap, 16 MiB")
def test_population(benchmark: BenchmarkFixture) -> None:
    benchmark(bitmap.population, dirty(0.001), BITS)


@pytest.mark.benchmark(group="bitmap, 16 MiB")
def test_union(benchmark: BenchmarkFixture) -> None:
    benchmark(bitmap.union, dirty(0.001), dirty(0.001), BITS)


def rows(count: int, spread: int, pack: int) -> np.ndarray:
    out = np.zeros(count, PIECE)
    out["first"] = np.cumsum(np.random.default_rng(pack).integers(8, spread, count))
    out["blocks"] = out["frame_blocks"] = 8
    out["kind"], out["number"], out["pack"] = KIND_LZ4, np.arange(count), pack
    return out


@pytest.mark.benchmark(group="extent maps, a million rows")
def test_overlay_of_a_million(benchmark: BenchmarkFixture) -> None:
    lower, upper = rows(1_000_000, 40, 0), rows(1_000_000, 40, 1)
    out = np.empty(diskmap.overlay_bound(len(lower), len(upper)), PIECE)
    benchmark(diskmap.overlay, lower, upper, out, True)


async def scattered(machine: Machine) -> bytes:
    """A point of a million one-block extents over 100 GiB, in seventeen packs."""
    rng = np.random.default_rng(1)
    own = [np.sort(rng.choice(REGION_BLOCKS // 2, 10_000, False)) * 2 + region * REGION_BLOCKS for region in range(100)]
    packs = [index_only_pack(machine.access, disk_id("vda"), part) for part in np.array_split(np.concatenate(own), 17)]
    return await machine.add_packs({"vda": 100 * REGION_BLOCKS * BLOCK_SIZE}, [ref for ref, _ in packs], [data for _, data in packs])


@pytest.mark.benchmark(group="extent maps, a million rows")
@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_resolve_a_million(benchmark: BenchmarkFixture, from_checkpoint: bool) -> None:
    machine = Machine()
    point = asyncio.run(scattered(machine))
    if from_checkpoint:
        machine.checkpoints.append(asyncio.run(take_checkpoint(machine.history(), point)))
    resolved = benchmark.pedantic(lambda: asyncio.run(resolve(machine.history(), point)), rounds=5)
    assert len(resolved.disks[disk_id("vda")].rows) == 1_000_000


@pytest.mark.benchmark(group="extent maps, a million rows")
def test_checkpoint_of_a_million(benchmark: BenchmarkFixture) -> None:
    machine = Machine()
    point = asyncio.run(scattered(machine))
    benchmark.pedantic(lambda: asyncio.run(take_checkpoint(machine.history(), point)), rounds=3)


@pytest.mark.benchmark(group="reading 256 MiB back, half of it incompressible")
@pytest.mark.parametrize("what", ["stream", "signatures"])
def test_read(benchmark: BenchmarkFixture, what: str) -> None:
    machine = Machine()
    unit = content(np.arange(1, 1025))
    size = 256 << 20
    writer = PackWriter(machine.access, MACHINE, [disk_id("vda")])
    refs, packs = [], []
    for first in range(0, blocks_of(size), 1024):
        writer.add(0, unit, np.array([[first, 1024]]), np.zeros((1024, 16), np.uint8), np.empty((1024, 16), np.uint8))
        if writer.room < 1024 or first + 1024 == blocks_of(size):
            finished = writer.finish()
            refs.append(finished.ref)
            packs.append(b"".join(finished.buffers))
            writer.reset()

    async def read() -> int:
        point = await machine.add_packs({"vda": size}, refs, packs, parent=b"")
        history = machine.history()
        disk = PointReader(history, await resolve(history, point)).disks[0]
        total = 0
        async for _, data in disk.stream() if what == "stream" else disk.signatures():
            total += len(data)
        return total

    assert benchmark(lambda: asyncio.run(read())) == (size if what == "stream" else blocks_of(size))
