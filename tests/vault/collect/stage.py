"""A machine that is replicated, pruned and collected, by several processes if need be; what its points held is remembered here."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.faults import Fault, FaultyStore
from tests.replication.world import MACHINE, QUICK, UNLOCK, World, read_point, scribble
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.collect.collector import Collector
from understudy.vault.collect.report import Collected
from understudy.vault.collect.trimming import TAIL, Tail
from understudy.vault.collect.witness import Now
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

HOUR = 3600


@dataclass
class Stage:
    """`held`: disks of every point that was ever made, by point in hex."""

    world: World
    rng: np.random.Generator
    held: dict[str, dict[str, bytes]] = field(default_factory=dict)
    uptime: float = 1000.0
    boot: str = "first"
    tail: Tail = TAIL

    @classmethod
    async def begin(cls, root: Path, rng: np.random.Generator, size: int = 600_000) -> "Stage":
        world = World(root)
        world.disk("vda").write_bytes(rng.integers(0, 256, size, dtype=np.uint8).tobytes())
        await world.create()
        return cls(world, rng)

    async def cycles(self, count: int = 1, writes: int = 3) -> None:
        async with self.world.replicator() as replicator:
            await replicator.open()
            for _ in range(count):
                scribble(self.world.disk("vda"), self.rng, writes)
                report = await replicator.cycle()
                self.held[report.point] = {"vda": self.world.disk("vda").read_bytes()}

    @asynccontextmanager
    async def operator(self, state: str = "operator", schedule: Sequence[Fault] = ()) -> AsyncIterator[tuple[Vault, MachineLog]]:
        """Another site, with a state directory of its own."""
        store = FaultyStore(FileStore(self.world.root / "vault"), list(schedule))
        vault = await Vault.open(store, UNLOCK, self.world.root / state, patience=QUICK)
        try:
            yield vault, await vault.find(MACHINE)
        finally:
            await vault.close()

    def collector(self, vault: Vault, log: MachineLog, grace: int = 0, state: str = "operator") -> Collector:
        directory = self.world.root / state / "collect"
        directory.mkdir(parents=True, exist_ok=True)
        return Collector(vault, log, directory, grace, lambda: Now(self.boot, self.uptime), self.tail)

    async def collect(self, grace: int = 0, state: str = "operator", schedule: Sequence[Fault] = ()) -> Collected:
        async with self.operator(state, schedule) as (vault, log):
            return await self.collector(vault, log, grace, state).run()

    async def kept(self) -> list[str]:
        async with self.operator() as (_, log):
            return [entry.point.id.hex() for entry in log.state.points]

    async def prune(self, points: Sequence[str]) -> None:
        async with self.operator() as (_, log):
            held = {hold.point.hex() for hold in log.state.holds}
            going = [bytes.fromhex(point) for point in points if point not in held and point != log.state.points[-1].point.id.hex()]
            if going:
                await log.append(kinds.Prune(points=tuple(going)))

    async def hold(self, point: str) -> bytes:
        async with self.operator() as (_, log):
            identity = self.rng.bytes(16)
            await log.append(kinds.Hold(id=identity, point=bytes.fromhex(point), reason="a test"))
            return identity

    async def shortcut(self, point: str) -> None:
        """A source's checkpoint."""
        async with self.operator("source") as (vault, log):
            await log.append(await take_checkpoint(history_of(vault, log), bytes.fromhex(point)))

    async def check(self) -> None:
        """Every kept point is what it was, byte for byte, and nobody finds anything damaged."""
        async with self.operator("reader") as (vault, log):
            assert not log.state.lost
            for entry in log.state.points:
                assert await read_point(vault, log, entry) == self.held[entry.point.id.hex()], entry.seq

    def stored(self) -> dict[str, int]:
        """What lies in the machine's part of the vault, records apart, in bytes."""
        machines = self.world.root / "vault" / "machines"
        files = [path for path in machines.rglob("*") if path.is_file() and path.parent.name != "log"]
        return {f"{path.parent.name}/{path.name}": path.stat().st_size for path in files}
