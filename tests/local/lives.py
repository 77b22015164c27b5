"""A machine's whole life between two sites: cycles, failovers, prunes, collections, trims, whatever fails, and clocks that jump.

What every point held is remembered. Between any two steps another process may look at the vault, and must find all of it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tests.faults import Action, Fault, FaultyStore
from tests.replication.world import MACHINE, QUICK, UNLOCK, read_point, scribble
from understudy.errors import Fenced, InDoubt, StoreUnavailable
from understudy.recovery.surroundings import surroundings
from understudy.recovery.verify import verify_points
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.source.protocol import CRASH, Snapshot, Wish
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.collect.collector import Collector
from understudy.vault.collect.trimming import Tail
from understudy.vault.collect.witness import Now
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.reading import history_of
from understudy.vault.retention.decide import Circumstances, decide
from understudy.vault.vault import Vault

HOUR = 3600
TAIL = Tail(2, 2)
"""Short, so that logs of some dozen records are trimmed."""
YEAR = 365 * 24 * HOUR
SECOND = 1_000_000_000
SITES = ("here", "there")
UNANSWERED = (StoreUnavailable, InDoubt)


class Jumping(BlockSource):
    """Frozen by a clock that is not the world's."""

    def __init__(self, disks: dict[str, str], offset: int) -> None:
        super().__init__(disks)
        self._offset = offset

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        snapshot = await super().freeze(point, base, wish)
        return replace(snapshot, frozen_at=max(0, snapshot.frozen_at + self._offset))


@dataclass
class Life:
    """`held`: the disk at every point that was ever seen, by its id; `tried`: what cycles of unknown outcome would have made."""

    root: Path
    rng: np.random.Generator
    primary: str = "here"
    offset: int = 0
    uptime: float = 1000.0
    held: dict[str, bytes] = field(default_factory=dict)
    tried: list[bytes] = field(default_factory=list)
    pruned: set[str] = field(default_factory=set)
    swept: int = 0
    """Records that were trimmed and deleted."""

    @classmethod
    async def begin(cls, root: Path, seed: int) -> "Life":
        life = cls(root, np.random.default_rng(seed))
        life.disk("here").write_bytes(life.rng.bytes(int(life.rng.integers(60_000, 300_000))))
        vault = await Vault.create(FileStore(root / "vault", make=True), UNLOCK, state=root / "here", patience=QUICK)
        await vault.protect(MACHINE, "here")
        await vault.close()
        return life

    def disk(self, site: str) -> Path:
        return self.root / f"{site}.img"

    @asynccontextmanager
    async def vault(self, site: str, schedule: Sequence[Fault] = ()) -> AsyncIterator[tuple[Vault, MachineLog]]:
        store = FaultyStore(FileStore(self.root / "vault"), list(schedule))
        vault = await Vault.open(store, UNLOCK, self.root / site, patience=QUICK)
        try:
            yield vault, await vault.find(MACHINE)
        finally:
            await vault.close()

    async def cycle(self, site: str, schedule: Sequence[Fault] = ()) -> None:
        content = self.disk(site).read_bytes()
        self.tried.append(content)
        async with self.vault(site, schedule) as (vault, log):
            directory = self.root / site / "vaults" / vault.id / "machines" / log.machine_id
            replicator = Replicator(vault, log, Jumping({"vda": str(self.disk(site))}, self.offset), directory, site)
            try:
                await replicator.open()
                self.held[(await replicator.cycle()).point] = content
            finally:
                await replicator.close()

    async def failover(self, site: str) -> None:
        """The other site starts from the newest point; what the first wrote since is lost."""
        async with self.vault(site) as (vault, log):
            await log.settle()
            if log.state.newest is None:
                return
            content = (await read_point(vault, log, log.state.newest))["vda"]
            await log.append(kinds.Failover(epoch=log.state.epoch + 1, site=site))
        self.disk(site).write_bytes(content)
        self.primary = site

    async def drop(self, site: str, points: Sequence[bytes]) -> None:
        async with self.vault(site) as (_, log):
            held = {hold.point for hold in log.state.holds}
            going = tuple(entry.point.id for entry in log.state.points[:-1] if entry.point.id in points and entry.point.id not in held)
            if going:
                await log.append(kinds.Prune(points=going))
                self.pruned |= {point.hex() for point in going}

    async def retain(self, site: str) -> None:
        """As a random policy says, by a clock that may be wrong."""
        days, hours, least = (int(most) for most in self.rng.integers(0, 4, 3))
        policy = kinds.Retention(all_for=int(self.rng.integers(0, HOUR)), hourly=hours, daily=days, least=1 + least)
        async with self.vault(site) as (_, log):
            state = log.state
            given = Circumstances(time.time_ns() + self.offset, dropped=state.dropped, holds=state.holds, verified=state.verified)
            decisions = decide(state.entries, policy, given)
        kept = [decision for decision in decisions if decision.keep]
        assert len(kept) >= min(len(decisions), policy.least)
        assert not decisions or decisions[-1].keep
        await self.drop(site, [decision.entry.point.id for decision in decisions if not decision.keep])

    async def collect(self, site: str, grace: int, schedule: Sequence[Fault] = ()) -> int:
        """Bytes that were given back: packs, maps, lists and records."""
        async with self.vault(site, schedule) as (vault, log):
            directory = self.root / site / "collect"
            directory.mkdir(parents=True, exist_ok=True)
            done = await Collector(vault, log, directory, grace, lambda: Now("boot", self.uptime), TAIL).run()
            self.swept += done.swept[0]
            return done.deleted[1] + done.swept[1]

    async def check(self, *, thoroughly: bool = False) -> None:
        """As a process that has been looking on all the time: no step back, nothing lost, every kept point byte for byte."""
        async with self.vault("looker-on") as (vault, log):
            state = log.state
            assert not state.lost
            kept = {entry.point.id.hex() for entry in state.points}
            assert self.held.keys() - self.pruned <= kept
            assert not kept & self.pruned
            for entry in state.points:
                point, found = entry.point.id.hex(), (await read_point(vault, log, entry))["vda"]
                assert found == self.held.get(point, found), entry.seq
                assert point in self.held or found in self.tried, entry.seq
                self.held[point] = found
            if thoroughly:
                assert (await verify_points(history_of(vault, log), sorted(kept), "frames")).damage == ()
                assert await surroundings(vault, log) == ()

    async def end(self) -> None:
        """All but the newest point is dropped: what the vault holds comes down to what that needs."""
        async with self.vault(self.primary) as (_, log):
            await log.settle()
            for hold in log.state.holds:
                await log.append(kinds.Hold(id=hold.id, point=hold.point, reason="", lifted=True))
        await self.cycle(self.primary)
        for _ in range(3):
            await self.drop(self.primary, list(map(bytes.fromhex, self.held)))
            self.uptime += 2 * HOUR
            await self.collect(self.primary, 0)
            await self.cycle(self.primary)
            await self.check(thoroughly=True)
        needed = self.disk(self.primary).stat().st_size
        assert self.stored() < 2 * needed + 300_000

    def stored(self) -> int:
        return sum(path.stat().st_size for path in (self.root / "vault" / "machines").rglob("*") if path.is_file())


def scribbled(life: Life) -> None:
    """What the guest does; now and then its disk grows or shrinks."""
    path = life.disk(life.primary)
    if life.rng.random() < 0.1:
        size = int(life.rng.integers(50_000, 300_000))
        path.write_bytes(path.read_bytes()[:size].ljust(size, b"\0"))
    scribble(path, life.rng, int(life.rng.integers(1, 8)))


async def step(life: Life, kind: str) -> None:
    """One thing that happens. `kind` names a case; the rest is chance."""
    rng, site = life.rng, str(life.rng.choice(SITES))
    grace = int(rng.choice([0, 0, HOUR]))
    match kind:
        case "cycle":
            scribbled(life)
            await life.cycle(life.primary)
        case "failing cycle":
            scribbled(life)
            with contextlib.suppress(*UNANSWERED):
                await life.cycle(life.primary, some_fault(rng))
        case "stale cycle":
            stale = next(other for other in SITES if other != life.primary)
            if life.disk(stale).exists():
                try:
                    await life.cycle(stale)
                except Fenced:
                    return
                raise AssertionError("a site that was failed over from has made a point")
        case "failover":
            await life.failover(next(other for other in SITES if other != life.primary))
        case "retain":
            await life.retain(site)
        case "drop":
            await life.drop(site, [bytes.fromhex(point) for point in life.held if rng.random() < 0.4])
        case "hold" if life.held:
            async with life.vault(site) as (_, log):
                chosen = log.state.points[int(rng.integers(0, len(log.state.points)))]
                await log.append(kinds.Hold(id=rng.bytes(16), point=chosen.point.id, reason="chance"))
        case "lift":
            async with life.vault(site) as (_, log):
                for hold in log.state.holds[:1]:
                    await log.append(kinds.Hold(id=hold.id, point=hold.point, reason="", lifted=True))
        case "shortcut" if life.held:
            async with life.vault(life.primary) as (vault, log):
                chosen = log.state.points[int(rng.integers(0, len(log.state.points)))]
                await log.append(await take_checkpoint(history_of(vault, log), chosen.point.id))
        case "collect":
            life.uptime += float(rng.integers(0, 2 * HOUR))
            await life.collect(site, grace)
        case "failing collection":
            with contextlib.suppress(*UNANSWERED):
                await life.collect(site, grace, some_fault(rng))
        case "clock":
            life.offset = int(rng.integers(-YEAR, YEAR)) * SECOND


def some_fault(rng: np.random.Generator) -> list[Fault]:
    action = Action.FAIL_BEFORE if rng.random() < 0.5 else Action.FAIL_AFTER
    op = str(rng.choice(["create", "delete", "get", "*"]))
    return [Fault(action, op, skip=int(rng.integers(0, 25)), times=int(rng.choice([1, -1])))]


def killed(root: str, seed: int, kind: str, primary: str, when: str, number: int) -> None:
    """One step in a process that is killed at its `number`th write to the store: `before` or `after` it."""
    life = Life(Path(root), np.random.default_rng(seed), primary)
    action = Action.DIE_BEFORE if when == "before" else Action.DIE_AFTER
    deadly = [Fault(action, "create", skip=number), Fault(action, "delete", skip=number)]
    work = {
        "cycle": lambda: life.cycle(primary, deadly),
        "collect": lambda: life.collect(primary, 0, deadly),
    }[kind]
    asyncio.run(work())


def record_count(life: Life) -> int:
    return len(list((life.root / "vault").glob(f"{names.MACHINES}*/log/*")))
