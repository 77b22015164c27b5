"""Initial replications of VMs, in slices: each is a freeze of its own, and whatever happens the point is the disks at its freeze."""

import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.replication.test_initial import FAILED_PACK, SIZE, SLICE, packed, world
from tests.replication.world import World
from tests.source.machine import Machine, blockdev
from understudy.errors import Conflict, InDoubt, SourceUnavailable, StoreUnavailable
from understudy.replication.cycle import Replicator
from understudy.replication.report import CycleProgress
from understudy.source.protocol import CRASH, Snapshot, Wish
from understudy.source.qemu import QemuSource
from understudy.store.file import FileStore

VM_SIZE = 3 << 20
__all__ = ["world"]


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
            offset = self.chance.randrange((VM_SIZE - length) // 512) * 512
            command = self.chance.choice(["write -P 7", "write -P 9", "write -z", "discard"])
            await self.machine.io(name, f"{command} {offset} {length}")


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="us-") as name:  # a socket's path may have 107 bytes
        directory = Path(name)
        machine = Machine(directory, [blockdev(directory, "vda", "raw", VM_SIZE), blockdev(directory, "vdb", "qcow2", VM_SIZE)])
        machine.state.mkdir()
        await machine.start()
        yield machine
        await machine.kill()


async def fill(machine: Machine, chance: random.Random) -> None:
    for index in range(VM_SIZE // 65536):
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
        assert next(progress.done for progress in resumed if progress.done) >= before - (1 << 20)
        assert source.freezes >= 5
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


@pytest.mark.parametrize("seed", range(2))
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
