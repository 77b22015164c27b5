"""A life: one thing after another happens to a machine and its follower, by chance, and every point is held against what its disks were."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.followed import following
from tests.live.restless import Impossible, Restless
from tests.live.restless_follower import FOLLOWER
from tests.live.restless_offline import OFFLINE
from tests.live.restless_online import ONLINE, Happening
from tests.live.trial import differing
from tests.source.machine import MIB, Machine
from understudy.engine import Cycle
from understudy.errors import SourceBusy
from understudy.model import BLOCK_SIZE

THREAD = ",iothread=thread"
DOWN = 0.2
"""How often the VM goes down between two points."""


@dataclass
class Life:
    """`happened`: how often what was done; `impossible`: what could not be; `causes`: why points carry what they carry."""

    world: Restless
    happened: Counter[str] = field(default_factory=Counter)
    impossible: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    methods: Counter[str] = field(default_factory=Counter)
    lately: list[str] = field(default_factory=list)
    """What was done since the last point."""

    async def step(self) -> None:
        """Something happens, and the next point is right."""
        world, chance = self.world, self.world.chance
        if chance.random() < DOWN:
            await self._down()
        else:
            everything = ONLINE | FOLLOWER
            for happening in chance.choices(list(everything), list(everything.values()), k=chance.randint(1, 3)):
                await self._try(happening)
        if chance.random() < 0.5:
            await world.touch(world.slot())
        cycle = await self._point()
        self.causes[cycle.cause] += 1
        self.methods[cycle.method] += 1
        await world.followed.prove_one(cycle.point)
        await world.followed.prove_one(chance.choice(list(world.followed.points)))
        self._must_be_proportionate(cycle)
        self.lately.clear()

    async def _point(self) -> Cycle:
        try:
            return await self.world.followed.cycle()
        except SourceBusy:
            # Somebody's job has a disk, as a mirror that has begun: it will end.
            return await self.world.followed.cycle()

    def _must_be_proportionate(self, cycle: Cycle) -> None:
        if not self.world.unknown:
            *_, old, new = self.world.followed.points.values()
            differ = {name: differing(old.get(name, b""), content) for name, content in new.items()}
            assert cycle.changed_blocks == sum(differ.values()), (differ, cycle)
            assert cycle.stored_bytes <= cycle.changed_blocks * BLOCK_SIZE * 1.1 + 16384, cycle
        self.world.unknown = False

    async def _down(self) -> None:
        machine = self.world.machine
        if self.world.chance.random() < 0.4:
            await self.world.followed.end()
        killed = self.world.chance.random() < 0.5
        await (machine.kill() if killed else machine.quit())
        self.lately.append("killed" if killed else "quit")
        for happening in self.world.chance.choices(OFFLINE, k=self.world.chance.randint(0, 3)):
            await self._try(happening)
        await self.world.start()

    async def _try(self, happening: Happening) -> None:
        name = f"{happening.__module__.rpartition('_')[2]} {happening.__name__}"
        self.lately.append(name)
        try:
            await happening(self.world)
        except Impossible as error:
            self.impossible[f"{name}: {error}"] += 1
            self.lately[-1] += " (not)"
        else:
            self.happened[name] += 1


@asynccontextmanager
async def living(short: Path, directory: Path, seed: int) -> AsyncIterator[Life]:
    """One of its disks is served by an iothread where the seed is odd."""
    chance = random.Random(seed)
    machine = Machine(short, [], ["-object", "iothread,id=thread", "-device", "virtio-scsi-pci,id=late"])
    world = Restless(machine, chance)
    base = world.new("raw", MIB)
    world.slots.remove(base)
    for form, thread in (("raw", ""), ("qcow2", THREAD if seed % 2 else ""), ("qcow2", "")):
        world.new(form, 2 * MIB, thread=thread)
    laid = world.slots[-1]
    world.tool("qemu-io", "-f", "raw", "-c", f"write -s {world.noise(MIB)} 0 1M", base.path)
    world.tool("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base.path, laid.path, "2M")
    laid.lower.append((base.path, "raw"))
    await world.start()
    try:
        async with following(machine, directory) as world.followed:
            for slot in world.slots:
                await world.touch(slot)
            await world.followed.cycle()
            yield Life(world)
    finally:
        await machine.kill()
