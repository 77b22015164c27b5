"""Initial replications in slices: interrupted anywhere they go on, what was uploaded is not uploaded again, and the point is the disk."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Action, Fault
from tests.replication.test_killed import killed_at
from tests.replication.world import World
from understudy.errors import StoreUnavailable, UnderstudyError
from understudy.replication.report import CycleProgress

SIZE = 6 << 20
SLICE = 256
"""Blocks: 1 MiB."""
FAILED_PACK = Fault(Action.FAIL_BEFORE, "create", "*/packs/*", skip=2, times=-1)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("understudy.replication.upload.FIRST_DELAY", 0.001)
    world = World(tmp_path)
    world.disk("vda").write_bytes(np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8).tobytes())
    os.truncate(world.disk("vda"), 2 * SIZE)
    await world.create()
    return world


def packed(world: World) -> int:
    """Bytes of all packs in the vault."""
    return sum(path.stat().st_size for path in (world.root / "vault").glob("machines/*/packs/*"))


async def test_a_file_is_uploaded_once_whatever_interrupts(world: World) -> None:
    for _ in range(2):
        async with world.replicator(slice_blocks=SLICE) as replicator:
            await replicator.open()
            world.schedule.append(FAILED_PACK)
            with pytest.raises(StoreUnavailable):
                await replicator.cycle()
            world.schedule.clear()
    assert packed(world) > SIZE * 0.6
    async with world.replicator(slice_blocks=SLICE) as replicator:
        await replicator.open()
        report = await replicator.cycle()
        again = await replicator.cycle()
    assert packed(world) < SIZE * 1.1
    assert report.cause == "initial"
    assert report.stats.stored > SIZE
    assert again.stats.changed == 0
    assert (await world.contents())[report.point] == {"vda": world.disk("vda").read_bytes()}
    async with world.vault() as (vault, log):
        assert log.state.intent is None
        assert not (world.directory(vault, log) / "intent" / "slices").exists()


async def test_a_file_that_changes_between_the_tries(world: World) -> None:
    async with world.replicator(slice_blocks=SLICE) as replicator:
        await replicator.open()
        world.schedule.append(FAILED_PACK)
        with pytest.raises(StoreUnavailable):
            await replicator.cycle()
        world.schedule.clear()
        with world.disk("vda").open("r+b") as file:
            file.write(bytes(100_000) + b"changed")
        report = await replicator.cycle()
    assert packed(world) < SIZE * 1.1
    assert (await world.contents())[report.point] == {"vda": world.disk("vda").read_bytes()}


async def test_killed_before_every_step(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.disk("vda").write_bytes(np.random.default_rng(1).integers(0, 256, 500_000, dtype=np.uint8).tobytes())
    await world.create()
    step, tried, killed = 0, [], True
    while killed:
        tried.append({"vda": world.disk("vda").read_bytes()})
        killed = await killed_at(tmp_path, step := step + 6, slice_blocks=48)
        with world.disk("vda").open("r+b") as file:
            file.seek(step * 1000)
            file.write(bytes(5000))
    found = list((await world.contents()).values())
    assert found[-1] == tried[-1]
    assert all(point in tried for point in found)
    assert step > 30


@pytest.mark.parametrize("lost", ["signatures", "journal", "intent"])
async def test_local_files_lost_in_between(world: World, lost: str) -> None:
    async with world.replicator(slice_blocks=SLICE) as replicator:
        await replicator.open()
        world.schedule.append(FAILED_PACK)
        with pytest.raises(StoreUnavailable):
            await replicator.cycle()
        world.schedule.clear()
    async with world.vault() as (vault, log):
        shutil.rmtree(world.directory(vault, log) / lost)
    async with world.replicator(slice_blocks=SLICE) as replicator:
        await replicator.open()
        report = await replicator.cycle()
    assert (packed(world) < SIZE * 1.1) is (lost != "intent")
    assert (await world.contents())[report.point] == {"vda": world.disk("vda").read_bytes()}


async def test_packs_that_somebody_deleted_in_between(world: World) -> None:
    async with world.replicator(slice_blocks=SLICE) as replicator:
        await replicator.open()
        world.schedule.append(FAILED_PACK)
        with pytest.raises(StoreUnavailable):
            await replicator.cycle()
        world.schedule.clear()
        next((world.root / "vault").glob("machines/*/packs/*")).unlink()
        with pytest.raises(UnderstudyError, match="begins anew"):
            await replicator.cycle()
        report = await replicator.cycle()
    assert (await world.contents())[report.point] == {"vda": world.disk("vda").read_bytes()}


async def test_a_disk_that_shrinks_or_goes_in_between(world: World) -> None:
    world.disk("vdb").write_bytes(b"b" * 100_000)
    for size in (2 * SIZE, SIZE // 2):
        os.truncate(world.disk("vda"), size)
        names = ("vda", "vdb") if size > SIZE else ("vda",)
        async with world.replicator(slice_blocks=SLICE, disks={name: world.disk(name) for name in names}) as replicator:
            await replicator.open()
            world.schedule.append(FAILED_PACK)
            with pytest.raises(StoreUnavailable):
                await replicator.cycle()
            world.schedule.clear()
    async with world.replicator(slice_blocks=SLICE) as replicator:
        await replicator.open()
        report = await replicator.cycle()
    assert (await world.contents())[report.point] == {"vda": world.disk("vda").read_bytes()}


async def test_progress_is_of_the_whole(world: World) -> None:
    told: list[CycleProgress] = []
    async with world.replicator(slice_blocks=SLICE) as replicator:
        await replicator.open()
        world.schedule.append(FAILED_PACK)
        with pytest.raises(StoreUnavailable):
            await replicator.cycle(told.append)
        world.schedule.clear()
        await replicator.cycle(told.append)
    transfers = [progress for progress in told if progress.phase == "transfer"]
    assert {progress.total for progress in transfers} == {SIZE}
    assert transfers[-1].done == SIZE
    assert max(progress.done for progress in transfers) == SIZE
