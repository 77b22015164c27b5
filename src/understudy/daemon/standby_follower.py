"""One standby's loop: its images are brought to each new point, for as long as the daemon lives."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

from understudy.daemon.looks import must_read_on
from understudy.daemon.track import failure_of
from understudy.engine import Failure, MachineStatus, Point, Progress, ReplicationPolicy, Restored, Severity, Standby
from understudy.engine.units import count
from understudy.errors import UnderstudyError
from understudy.jobs.journal import Journal
from understudy.local.site import Site
from understudy.local.standby.file import keeps_standby
from understudy.local.standby.following import followed, is_due
from understudy.local.standby.held import written_to
from understudy.local.standby.views import standby_shown_of
from understudy.local.views import point_of
from understudy.scheduler.looking import counts_for
from understudy.scheduler.retry import Kind, judge
from understudy.scheduler.standing import StandbyFacts, standby_health
from understudy.store.protocol import Cache
from understudy.vault.log.chain import clock
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

POLL = 2.0
"""Seconds between two looks at the images, and at the log: there fewer where requests cost money, see `scheduler.looking`."""


class Logs(Protocol):
    """What a follower needs of the engine."""

    @property
    def site(self) -> Site: ...

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]: ...

    async def is_open(self, vault: Vault) -> bool:
        """Whether this is still the vault that is used: it may have been opened anew."""
        ...

    def cache_of(self, vault: Vault) -> Cache | None:
        """What the steps read the vault through."""
        ...

    async def reclaim(self, machine: str) -> None:
        """Its standby follows again, if what had the images does not need them any more."""
        ...


class Turns:
    """How many standbys are brought on at once: those whose images are known, and those that are read as a whole, which takes hours."""

    def __init__(self) -> None:
        self.short = asyncio.Semaphore(2)
        self.long = asyncio.Semaphore(1)


class StandbyFollower:
    """`run` until cancelled."""

    def __init__(self, machine: str, engine: Logs, turns: Turns, journal: Journal) -> None:
        self.machine = machine
        self.name = ""
        self.standby: Standby | None = None
        self.progress: Progress | None = None
        self.newest: Point | None = None
        self.points = 0
        self.seen_at: int | None = None
        self._engine = engine
        self._turns = turns
        self._journal = journal
        self._poked = asyncio.Event()
        self._prompt = False
        """Whether the log is asked for next, however lately it was."""
        self._aside = 0
        self._still = 0
        self._step: asyncio.Task[Restored] | None = None
        self._short = False
        self._free = asyncio.Event()
        self._free.set()
        self._apart = 0.0
        self._late_since: float | None = None
        self._failure: Failure | None = None
        self._kind: Kind | None = None
        self._failures = 0
        self._turned = ""
        self._written, self._written_at = "", 0
        self._site = ""

    async def run(self) -> None:
        while True:
            try:
                await self._follow()
                seconds = POLL
            except Exception as error:
                # Also a fault of our own is told and tried again: it must not end the other machines' loops.
                seconds = self._failed(error)
            self.progress = None
            await self._sleep(seconds)

    def poke(self) -> None:
        """Something changed: look again."""
        self._prompt = True
        self._poked.set()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Another may work on the standby until the context is left: a step that runs is given up in an orderly way."""
        self._aside += 1
        if self._step is not None:
            self._step.cancel()
        try:
            await self._free.wait()
            yield
        finally:
            self._aside -= 1
            self.poke()

    @asynccontextmanager
    async def still(self, seconds: float) -> AsyncIterator[None]:
        """No step is begun until the context is left. One that only writes what is new may come to its end first, for so long; one that
        reads all of the images goes on."""
        self._still += 1
        try:
            if self._short:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._free.wait()
            yield
        finally:
            self._still -= 1
            self.poke()

    def facts(self) -> StandbyFacts:
        since = 0.0 if self._late_since is None else time.monotonic() - self._late_since
        return StandbyFacts(
            name=self.name,
            standby=self.standby,
            apart=self._apart,
            since=since,
            running=self._step is not None,
            failure=self._failure,
            kind=self._kind,
            failures=self._failures,
            turned=self._turned,
            written=self._written,
            site=self._site,
            runs=bool(self._written) and self.newest is not None and self.newest.number > self._written_at,
        )

    async def _follow(self) -> None:
        """For as long as the vault stays open."""
        vault, log = await self._engine.log_of(self.machine)
        while await self._engine.is_open(vault):
            await self._read_on(vault, log)
            self.name = log.state.name
            directory = self._engine.site.directory(vault.id, log.machine_id)
            if not await asyncio.to_thread(keeps_standby, directory):
                # It was removed just now: this loop is about to end.
                await self._sleep(POLL)
                continue
            self._learn(log)
            self.standby = shown = await asyncio.to_thread(standby_shown_of, directory, vault.id, log.state)
            self._measure(log)
            if shown.state == "in-use" and not (self._aside or self._still):
                await self._engine.reclaim(log.machine_id)
            if not (self._aside or self._still):
                self._note_writer("" if shown.state == "in-use" else await asyncio.to_thread(written_to, directory))
            following = shown.state == "following" and not self._written
            wanted = following and self.newest is not None and (shown.behind != 0 or _due(shown))
            if wanted and not (self._aside or self._still):
                await self._brought(vault, log, shown)
                continue
            if following and not wanted:
                self._well()
            await self._sleep(POLL)

    async def _read_on(self, vault: Vault, log: MachineLog) -> None:
        billed = vault.store.capabilities.billed
        calm, self._prompt = not self._prompt, False
        if not billed or await must_read_on(log, counts_for(0, billed=billed, calm=calm)):
            await log.refresh()

    def _learn(self, log: MachineLog) -> None:
        """What its log says of the machine."""
        newest = log.state.newest
        self._site = log.state.site
        self.points, self.seen_at = len(log.state.points), time.time_ns() - round((clock() - log.known_at) * 1e9)
        self.newest = point_of(newest, log.state) if newest is not None else None

    def _note_writer(self, path: str) -> None:
        """Somebody may have started the machine here by hand, from what were its images once."""
        if path and not self._written:
            self._written_at = self.newest.number if self.newest is not None else 0
            message = f"a VM, or another program, has an image of the standby of {self.name} open for writing: {path}"
            self._journal.tell("standby.written", "error", message, machine=self.machine)
        self._written = path

    def _measure(self, log: MachineLog) -> None:
        frozen = [entry.point.frozen_at for entry in log.state.points[-2:]]
        self._apart = max(frozen[-1] - frozen[0], 0) / 1e9 if len(frozen) == 2 else 0.0
        behind = self.standby is not None and self.standby.state == "following" and self.standby.behind != 0
        self._late_since = (self._late_since or time.monotonic()) if behind else None

    async def _brought(self, vault: Vault, log: MachineLog, shown: Standby) -> None:
        known = all(disk.point and disk.proven_at for disk in shown.disks) and not _due(shown)
        async with self._turns.short if known else self._turns.long:
            if self._aside or self._still:
                return
            self._free.clear()
            self._short = known
            step = followed(vault, log, self._engine.site, self._told, cache=self._engine.cache_of(vault))
            self._step = asyncio.create_task(step, name=f"standby {self.name}")
            try:
                done = await _to_its_end(self._step)
            except asyncio.CancelledError:
                asked = asyncio.current_task()
                if not self._aside or (asked is not None and asked.cancelling()):
                    raise
                return
            finally:
                self._step = self.progress = None
                self._short = False
                self._free.set()
        self._well()
        self._done(done)

    def _told(self, progress: Progress) -> None:
        self.progress = progress

    def _done(self, done: Restored) -> None:
        """A step that only wrote what was new is nobody's news: there may be one each second."""
        for disk in done.disks:
            path = f"disk {disk.name} of {self.name}, {disk.path}"
            if disk.reason == "it did not hold what its record said":
                self._turned = f"the image of {path}, had changed by itself; it was made good from point {done.point.number}"
                self._journal.tell("standby.damage", "error", self._turned, machine=self.machine)
            elif disk.trusted != "known":
                why = f" ({disk.reason})" if disk.reason else ""
                message = f"the standby image of {path}, holds point {done.point.number}: it was {disk.trusted}{why}"
                self._journal.tell("standby.made", "info", message, machine=self.machine)
        if all(disk.proven for disk in done.disks) and all(disk.trusted == "known" for disk in done.disks):
            self._turned = ""
            self._journal.tell("standby.proven", "info", f"the standby of {self.name} was read and is right", machine=self.machine)

    def _well(self) -> None:
        if self._failures:
            message = f"the standby of {self.name} follows again after {count(self._failures, 'failure')}"
            self._journal.tell("standby.recovered", "info", message, machine=self.machine)
        self._failure, self._kind, self._failures = None, None, 0

    def _failed(self, error: Exception) -> float:
        """Seconds until the next try."""
        verdict = judge(error, self._failures + 1, random.random())
        before = self._failure.message if self._failure else ""
        self._failures += 1
        self._failure, self._kind = failure_of(error), verdict.kind
        name = self.name or self.machine
        if verdict.kind is Kind.FAULT:
            self._journal.fault(f"the loop of the standby of {name} broke: {self._failure.message}", error, machine=self.machine)
        elif self._failure.message != before or self._failures in (10, 100):
            severity: Severity = "warning" if isinstance(error, UnderstudyError) and error.retryable else "error"
            data = {"code": self._failure.code, "hint": self._failure.hint, "failures": self._failures}
            message = f"the standby of {name} failed: {self._failure.message}"
            self._journal.tell("standby.failed", severity, message, machine=self.machine, data=data)
        return verdict.seconds if verdict.seconds is not None else 300.0

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._poked.wait()
        self._poked.clear()


def status_of(follower: StandbyFollower) -> MachineStatus:
    """Of a machine that this host does not replicate."""
    health, reasons = standby_health(follower.facts())
    standby, newest, now = follower.standby, follower.newest, time.time_ns()
    return MachineStatus(
        id=follower.machine,
        name=follower.name or follower.machine,
        source="",
        health=health,
        reasons=reasons,
        phase="standby",
        policy=ReplicationPolicy(),
        retention=None,
        computed_at=now,
        rpo_seconds=(now - newest.frozen_at) / 1e9 if newest is not None else None,
        newest_point=newest.number if newest is not None else None,
        newest_frozen_at=newest.frozen_at if newest is not None else None,
        points=follower.points,
        disks=newest.disks if newest is not None else (),
        vault_seen_at=follower.seen_at,
        standby=standby,
        standby_progress=follower.progress,
    )


def _due(shown: Standby) -> bool:
    return is_due((disk.proven_at for disk in shown.disks), time.time_ns())


async def _to_its_end(task: "asyncio.Task[Restored]") -> Restored:
    """Await `task`; cancelled, cancel it and wait until it has left what it did on record."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        raise
