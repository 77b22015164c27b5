"""Initial replications in slices: interrupted anywhere they go on, what was uploaded is not uploaded again, and the point is the disk."""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.replication.test_killed import killed_at
from tests.replication.world import World
from tests.source.machine import Machine, blockdev
from understudy.errors import Conflict, InDoubt, SourceUnavailable, StoreUnavailable, UnderstudyError
from understudy.replication.cycle import Replicator
from understudy.replication.report import CycleProgress
from understudy.source.protocol import CRASH, Snapshot, Wish
from understudy.source.qemu import QemuSource
from understudy.store.file import FileStore

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
    world.disk("vda").write_bytes(np.random.default_rng(1).integers(0, 256, 400_000, dtype=np.uint8).tobytes())
    await world.create()
    step, tried, killed = 0, [], True
    while killed:
        tried.append({"vda": world.disk("vda").read_bytes()})
        killed = await killed_at(tmp_path, step := step + 3, slice_blocks=32)
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


@pytest.mark.parametrize("tracked", [False, True])
async def test_a_seed_goes_to_another_store(world: World, tracked: bool, machine: Machine) -> None:
    await fill(machine, random.Random(3))
    elsewhere = FileStore(world.root / "seed", make=True)
    async with world.replicator(machine.source() if tracked else None, slice_blocks=SLICE) as replicator:
        await replicator.open()
        faulty = FaultyStore(elsewhere, [FAILED_PACK])
        with pytest.raises(StoreUnavailable):
            await replicator.seed(faulty)
        packs = await replicator.seed(elsewhere)
        assert packed(world) == 0
        with pytest.raises(Conflict, match="seed"):
            await replicator.cycle()
        assert await replicator.seed(elsewhere) == packs
    shutil.copytree(world.root / "seed" / "machines", world.root / "vault" / "machines", dirs_exist_ok=True)
    before = packed(world)
    async with world.replicator(machine.source() if tracked else None, slice_blocks=SLICE) as replicator:
        await replicator.open()
        if tracked:
            await machine.write("vda", 0, 4096, 99)
        report = await replicator.cycle()
        assert packed(world) - before < 100_000
        with pytest.raises(Conflict, match="already"):
            await replicator.seed(elsewhere)
        expected = {"vda": world.disk("vda").read_bytes()}
        if tracked:
            expected = {name: content.tobytes() for name, content in (await machine.contents()).items()}
        assert (await world.contents())[report.point] == expected
    await elsewhere.close()


@dataclass
class Meddled:
    """A VM whose disks are written before each freeze and while it lasts."""

    source: QemuSource
    machine: Machine
    chance: random.Random
    frozen: dict[str, dict[str, bytes]] = field(default_factory=dict)
    freezes: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        await self.meddle()
        found = await self.machine.contents()
        self.frozen[point] = {name: content.tobytes() for name, content in found.items()}
        snapshot = await self.source.freeze(point, base, wish)
        self.freezes += 1
        await self.meddle()
        return snapshot

    async def meddle(self) -> None:
        for _ in range(self.chance.randrange(4)):
            name, length = self.chance.choice(self.machine.disks).name, self.chance.choice([512, 4096, 300_000])
            offset = self.chance.randrange((SIZE - length) // 512) * 512
            command = self.chance.choice(["write -P 7", "write -P 9", "write -z", "discard"])
            await self.machine.io(name, f"{command} {offset} {length}")


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="us-") as name:  # a socket's path may have 107 bytes
        directory = Path(name)
        machine = Machine(directory, [blockdev(directory, "vda", "raw", SIZE), blockdev(directory, "vdb", "qcow2", SIZE)])
        machine.state.mkdir()
        await machine.start()
        yield machine
        await machine.kill()


async def fill(machine: Machine, chance: random.Random) -> None:
    for index in range(SIZE // 65536):
        for disk in machine.disks:
            if chance.random() < 0.8:
                await machine.write(disk.name, index * 65536, 65536, chance.randrange(256))


async def test_a_vm_that_goes_on_writing(world: World, machine: Machine) -> None:
    """Each slice is a freeze of its own, an interrupted initial replication reads nothing twice, and the tracking of a restart goes on."""
    chance = random.Random(2)
    await fill(machine, chance)
    source = Meddled(machine.source(), machine, chance)
    read: list[int] = []
    async with world.replicator(source, slice_blocks=SLICE) as replicator:
        await replicator.open()
        world.schedule.append(FAILED_PACK)
        with pytest.raises(StoreUnavailable):
            await replicator.cycle(lambda progress: read.append(progress.done))
        world.schedule.clear()
    source.source = machine.source()
    before = max(read)
    resumed: list[CycleProgress] = []
    async with world.replicator(source, slice_blocks=SLICE) as replicator:
        await replicator.open()
        await replicator.cycle(resumed.append)
        assert next(progress.done for progress in resumed if progress.done) >= before - (2 << 20)
        assert source.freezes >= 8
        second = await replicator.cycle()
    found = await world.contents()
    assert len(found) == 2
    assert differing(found, source) == []
    assert second.cause == "delta"
    last = machine.source()
    await last.remove()
    await last.close()
    assert await machine.leftovers() == []


def differing(found: dict[str, dict[str, bytes]], source: Meddled) -> list[str]:
    """What in points is not as it was when they were frozen."""
    return [f"{name} of {point}" for point, disks in found.items() for name in disks if disks[name] != source.frozen[point][name]]


async def interrupted_at_random(world: World, machine: Machine, seed: int) -> None:
    """One initial replication, interrupted again and again in every way, and a delta after it."""
    print("seed", seed)
    chance = random.Random(seed)
    await fill(machine, chance)
    source = Meddled(machine.source(), machine, chance)
    points: list[str] = []
    tries = 0
    while len(points) < 2:
        tries += 1
        source.source = machine.source()
        async with world.replicator(source, slice_blocks=SLICE) as replicator:
            await replicator.open()
            made = await tried(world, machine, replicator, chance, interrupt=tries < 12)
            points += made
        await between(world, machine, chance if tries < 12 else random.Random(0))
    found = await world.contents()
    assert differing(found, source) == []
    assert set(points) <= set(found)


async def tried(world: World, machine: Machine, replicator: Replicator, chance: random.Random, *, interrupt: bool) -> list[str]:
    kind = chance.choice(["pack", "record", "cancel", "vm", "none"]) if interrupt else "none"
    actions = [Action.FAIL_BEFORE, Action.FAIL_AFTER]
    if kind == "pack":
        world.schedule.append(Fault(chance.choice(actions), "create", "*/packs/*", skip=chance.randrange(8), times=-1))
    elif kind == "record":
        world.schedule.append(Fault(chance.choice(actions), "*", "machines/*/log/*", skip=chance.randrange(4), times=20))
    cycle = asyncio.ensure_future(replicator.cycle())
    try:
        if kind in ("cancel", "vm"):
            await asyncio.wait([cycle], timeout=chance.uniform(0, 0.5))
        if kind == "cancel":
            cycle.cancel()
        elif kind == "vm" and not cycle.done():
            await machine.kill()
        try:
            return [(await cycle).point]
        except (StoreUnavailable, SourceUnavailable, InDoubt, asyncio.CancelledError):
            return []
    finally:
        world.schedule.clear()
        if machine.process is None:
            await machine.start()


async def between(world: World, machine: Machine, chance: random.Random) -> None:
    kind = chance.choice(["vm", "signatures", "intent", "none", "none", "none", "none"])
    if kind == "vm":
        await machine.kill()
        await machine.start()
    elif kind != "none":
        async with world.vault() as (vault, log):
            shutil.rmtree(world.directory(vault, log) / kind, ignore_errors=True)


@pytest.mark.parametrize("seed", range(3))
async def test_interrupted_at_random(world: World, machine: Machine, seed: int) -> None:
    await interrupted_at_random(world, machine, seed)


@dataclass
class Forgetful:
    """A VM whose record of changes never lasts."""

    source: QemuSource
    machine: Machine
    freezes: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.source, name)

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        self.freezes += 1
        nodes = await self.machine.execute("query-named-block-nodes", flat=True)
        assert isinstance(nodes, list)
        for node in nodes:
            for bitmap in node.get("dirty-bitmaps", ()):
                await self.machine.execute("block-dirty-bitmap-remove", node=node["node-name"], name=bitmap["name"])
        return await self.source.freeze(point, base, wish)


@pytest.mark.parametrize("seeded", [False, True])
async def test_tracking_that_is_lost_again_and_again(world: World, machine: Machine, seeded: bool) -> None:
    await fill(machine, random.Random(4))
    elsewhere = FileStore(world.root / "seed", make=True)
    source = Forgetful(machine.source(), machine)
    async with world.replicator(source, slice_blocks=SLICE) as replicator:
        await replicator.open()
        if seeded:
            await replicator.seed(elsewhere)
            shutil.copytree(world.root / "seed" / "machines", world.root / "vault" / "machines", dirs_exist_ok=True)
        before = packed(world)
        report = await replicator.cycle()
        assert packed(world) - before < (1000 if seeded else 2 * SIZE)
    assert source.freezes < 10
    expected = {name: content.tobytes() for name, content in (await machine.contents()).items()}
    assert (await world.contents())[report.point] == expected
    await elsewhere.close()
