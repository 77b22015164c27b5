"""Site b doing failovers step by step, with a machine of site a's: replicas are a test's own, the log and what is remembered are real."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.failover.doubles import LAST, Fuse, Host, Killed, Lender, Replicas
from tests.vault.worlds import QUICK, UNLOCK, a_point
from understudy import engine
from understudy.failover import asking, operations
from understudy.failover import deed as deeds
from understudy.failover.deed import NotBegun
from understudy.failover.phase import SHUTDOWN
from understudy.failover.site import Prepared
from understudy.hypervisor.protocol import Addresses, Finding
from understudy.local.claims import expect_claim, is_ours
from understudy.local.site import Site
from understudy.machine.definition import MachineDefinition
from understudy.store.file import FileStore
from understudy.vault import kinds
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

DEFINITION = MachineDefinition(name="web", uuid="00112233-4455-6677-8899-aabbccddeeff", memory=64 << 20)


@dataclass
class SiteB:
    """One run of site b's daemon."""

    vault: Vault
    site: Site
    replicas: Any
    host: Host
    primary: "Primary"
    again: bool = False
    name: str = "b"

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]:
        return self.vault, await self.vault.find("web")

    @asynccontextmanager
    async def own(self, vault: Vault, log: MachineLog) -> AsyncIterator[Path]:
        with self.site.own(vault.id, log) as directory:
            yield directory

    async def is_ours(self, vault: Vault, log: MachineLog) -> bool:
        return is_ours(vault.id, log.state, self.site)

    async def prepare(self, vault: Vault, log: MachineLog, entry: PointEntry) -> Prepared:
        return Prepared(DEFINITION)

    @property
    def lender(self) -> Lender:
        return Lender(self.host, self.replicas.burn)

    async def forget_standby(self, vault: Vault, log: MachineLog, run: str, images: Mapping[str, str]) -> None:
        self.replicas.burn()
        if images:
            self.host.standby, self.host.lent = 0, ""
        self.replicas.burn()

    async def give_addresses(self, run: str, addresses: Mapping[str, Addresses], *, agent: bool) -> Sequence[Finding]:
        return ()

    async def fence(self, log: MachineLog) -> str:
        return "it does not run there"

    async def follow(self, vault: Vault, log: MachineLog, directory: Path, run: str) -> None:
        self.replicas.burn()
        self.host.followed = run
        if not is_ours(vault.id, log.state, self.site):
            expect_claim(vault.id, log, self.site, adopt=True)
            await log.claim(self.name)
        self.replicas.burn()

    @contextmanager
    def waits(self, log: MachineLog) -> Iterator[Callable[[], bool]]:
        yield lambda: False

    async def isolate(self, log: MachineLog, run: str, seconds: int) -> None:
        assert self.host.followed == run
        await log.append(kinds.Isolation(after=seconds))


@dataclass
class Primary:
    """Site a: its machine, and what it does when it is asked."""

    log: MachineLog
    running: bool = True

    async def look(self) -> None:
        await self.log.refresh()
        authority = self.log.state.authority
        for asked in authority.requests:
            if asked.action == SHUTDOWN and asked.open and self.log.state.site == "a":
                self.running = False
                if not authority.final:
                    newest = self.log.state.newest
                    assert newest is not None
                    await self.log.append(a_point(LAST, newest.point.id, final=True))
                await self.log.append(kinds.Answer(id=asked.id, outcome="done"))
        if self.log.state.site != "a":
            self.running = False


@asynccontextmanager
async def begun(root: Path, monkeypatch: pytest.MonkeyPatch) -> "AsyncIterator[World]":
    store = FileStore(root / "vault", make=True)
    home = await Vault.create(store, UNLOCK, state=root / "a", patience=QUICK)
    log = await home.protect("web", "a")
    await log.claim("a")
    points = [a_point(bytes([number]) * 16, bytes([number - 1]) * 16 if number > 1 else b"") for number in (1, 2, 3)]
    for point in points:
        await log.append(point)
    yield World(root, Primary(log), Host(), monkeypatch)
    await store.close()


@dataclass
class World:
    root: Path
    primary: Primary
    host: Host
    monkeypatch: pytest.MonkeyPatch

    async def say(self, operation: Callable[[Any], Awaitable[Any]], left: int, *, again: bool = False) -> int:
        """One run of site b's daemon that does this, with so much fuse; how much was burnt. `Killed` where it ended."""
        fuse = Fuse(left)
        store = FileStore(self.root / "vault")
        vault = await Vault.open(store, UNLOCK, self.root / "b", patience=QUICK)
        write, primary = deeds.write, self.primary

        def written(directory: Path, deed: deeds.Deed) -> deeds.Deed:
            fuse.burn()
            found = write(directory, deed)
            fuse.burn()
            return found

        async def looked(_: float) -> None:
            await primary.look()

        site = SiteB(vault, Site("b", self.root / "b"), Replicas(self.host, fuse, self.root), self.host, primary, again)
        append = MachineLog.append
        with self.monkeypatch.context() as patch:
            patch.setattr(deeds, "write", written)
            patch.setattr(asking.asyncio, "sleep", looked)
            patch.setattr(
                MachineLog, "append", lambda log, *args: fuse.around(append)(log, *args) if log is not primary.log else append(log, *args)
            )
            try:
                await operation(site)
            finally:
                await vault.close()
        return fuse.spent

    async def through(self, operation: Callable[[Any], Awaitable[Any]], first: int) -> bool:
        """Say it until it has come to its end, the first time with so much fuse. Whether that ended it."""
        try:
            await self.say(operation, first)
        except Killed:
            await self.must_hold()
            await self.primary.look()
            await self.say(_replicate, 0)
            try:
                await self.say(operation, 0, again=True)
            except NotBegun:
                await self.say(operation, 0)
            await self.say(_replicate, 0)
            await self.must_hold()
            return True
        await self.say(_replicate, 0)
        await self.must_hold()
        return False

    async def must_hold(self) -> None:
        """Whatever was ended: one authoritative copy at most runs."""
        await self.primary.log.refresh()
        state = self.primary.log.state
        await self.primary.look()
        assert len(self.host.alive) <= 1
        for run in self.host.alive:
            assert state.site == "b"
            assert run.endswith(f"-{state.epoch}") or self.host.starts[-1] == run
            assert not self.primary.running
        assert len(set(self.host.starts)) == len(self.host.starts)
        for run in self.host.alive:
            # Or its standby would go on beneath it.
            assert self.host.lent == run or not self.host.runs[run].below
        assert state.void == ()


async def _replicate(site: SiteB) -> None:
    """What another run of the daemon may do before the operation is said again."""
    _, log = await site.log_of("web")
    if site.host.followed and log.state.writer and is_ours(site.vault.id, log.state, site.site):
        assert log.state.newest is not None
        expect_claim(site.vault.id, log, site.site)
        await log.claim("b")
        await log.append(a_point(bytes([64 + len(log.state.points)]) * 16, log.state.newest.point.id))


def fail_over(mode: Any, point: str = "") -> Callable[[Any], Awaitable[Any]]:
    return lambda site: operations.fail_over(site, engine.FailOver(machine="web", mode=mode, point=point), lambda _: None, again=site.again)


def change(point: str) -> Callable[[Any], Awaitable[Any]]:
    return lambda site: operations.change_point(site, engine.ChangePoint(machine="web", point=point), lambda _: None)


async def cancel(site: Any) -> Any:
    return await operations.cancel(site, engine.CancelFailover(machine="web"), lambda _: None, again=site.again)


def told_once(done: engine.FailedOver) -> engine.FailedOver:
    """What a failover found and lost is told with that alone."""
    assert (done.rpo_seconds, done.rto_seconds, done.findings) == (None, None, ())
    return done


async def commit(site: Any) -> Any:
    return told_once(await operations.commit(site, engine.CommitFailover(machine="web"), lambda _: None, again=site.again))


async def reprotect(site: Any) -> Any:
    return told_once(await operations.reprotect(site, engine.Reprotect(machine="web"), lambda _: None, again=site.again))
