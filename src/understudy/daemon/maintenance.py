"""What the vault needs by itself: points pruned by their policy, space collected, points proven. Only when nothing is more urgent."""

import asyncio
import random
import time
from typing import Any

from understudy.daemon.running import Running
from understudy.daemon.track import Track
from understudy.engine import Drill, EventQuery, JobKind, StartJob, VaultPlace
from understudy.errors import StateFailed, UnderstudyError
from understudy.heap import give_back
from understudy.local.machine_file import followed_of_any_vault
from understudy.scheduler.retry import judge
from understudy.scheduler.upkeep import Kept, due, first_turn

TICK = 5.0
CHECK_VAULT = 30.0
PRUNE_JOBS = 3600.0
CLEANUP_TRY = 300.0
"""Seconds until a clean-up that failed is begun again."""
ACTOR = "maintenance"


class Maintenance:
    """Opens the vault first, however long that takes. One job at a time, as jobs that anybody can see and cancel."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon
        self._kept: dict[str, Kept] = {}
        self._job = ""
        self._reopening: asyncio.Task[None] | None = None
        self._checked = self._pruned = 0.0
        self._tried: dict[str, float] = {}

    async def run(self) -> None:
        """Until cancelled. A fault of our own in here does not end the daemon, and with it everybody's replication: it is told."""
        await self._begin()
        self._checked = self._pruned = time.monotonic()
        failures = 0
        while True:
            await asyncio.sleep(TICK * min(1 + failures, 12))
            try:
                await self._turn(time.monotonic())
            except Exception as error:
                failures += 1
                self._daemon.condition.fault = f"{type(error).__name__}: {error}"
                self._daemon.journal.fault(f"the upkeep broke: {self._daemon.condition.fault}", error)
            else:
                failures, self._daemon.condition.fault = 0, ""

    async def _turn(self, now: float) -> None:
        if now - self._checked >= (CHECK_VAULT if self._daemon.condition.vault is None else TICK):
            self._checked = now
            await asyncio.to_thread(give_back)
            await self._check_vault()
        if now - self._pruned >= PRUNE_JOBS and self._daemon.pulse.calm:
            self._pruned = now
            await self._forget()
        await self._end_tests()
        await self._keep(now)

    async def _end_tests(self) -> None:
        """Test failovers whose time is over, and those that no job brings any further: it was cancelled, or failed, or given up."""
        kept = [kept.drill for kept in await asyncio.to_thread(self._daemon.drilling.files.all)]
        self._daemon.condition.tests = tuple((await asyncio.to_thread(self._daemon.drilling.files.damaged)).values())
        standing = {drill.machine_id: drill for drill in kept if drill.state != "cleaned"}
        for track in self._daemon.machines.tracks:
            drill = standing.get(track.id)
            track.stands, track.stands_until = (drill.asked_at, drill.keep_until) if drill is not None else (None, None)
        if self._daemon.condition.vault is not None:
            return
        for drill in [drill for drill in standing.values() if not self._daemon.runner.busy_with(drill.machine_id)]:
            # Its job may have ended since it was read; without one, nothing changes what is read now.
            again = await asyncio.to_thread(self._daemon.drilling.files.read, drill.id)
            if again is not None and _is_over(again.drill, time.time_ns()):
                await self._clean_up(again.drill)

    async def _clean_up(self, drill: Drill) -> None:
        now = time.monotonic()
        if now < self._tried.get(drill.id, -CLEANUP_TRY) + CLEANUP_TRY:
            return
        # Those that are over are of no use, and several may stand at once.
        self._tried = {id_: at for id_, at in self._tried.items() if now < at + CLEANUP_TRY} | {drill.id: now}
        request = StartJob(kind="drill-cleanup", machine=drill.machine_id, parameters={"drill": drill.id}, actor=ACTOR)
        try:
            await self._daemon.runner.start(request, drill.machine_id)
        except UnderstudyError as error:
            self._daemon.journal.tell("maintenance.failed", "warning", f"clean-up of a test of {drill.machine}: {error.message}")

    async def _begin(self) -> None:
        """Failures are those of the whole vault, or of this key: each machine's own are its follower's."""
        failures = 0
        while True:
            try:
                self._daemon.condition.vault_id = await self._daemon.engine.vault_id()
                await self._tell_place(await self._daemon.engine.place())
                await self._daemon.machines.begin()
                await self._daemon.standbys.begin()
            except Exception as error:
                failures += 1
                self._unwell(error if isinstance(error, UnderstudyError) else self._broken(error))
                self._daemon.condition.unread = await asyncio.to_thread(followed_of_any_vault, self._daemon.engine.site.state)
                await asyncio.sleep(min(judge(error, failures, random.random()).seconds or 60.0, 60.0))
            else:
                self._well()
                self._daemon.condition.unread = 0
                self._daemon.runner.open()
                return

    async def _tell_place(self, place: VaultPlace) -> None:
        """That the vault is a promoted copy is told once, and shown from then on."""
        self._daemon.condition.place = place
        if place.kind != "promoted":
            return
        told = await self._daemon.journal.events(EventQuery(kinds=("vault.followed",)))
        if not any(event.data.get("copy") == place.copy for event in told):
            message = "this site goes by a copy of its vault that was promoted: points that only the former vault had are lost"
            data = {"copy": place.copy, "promoted_at": place.at, "url": self._daemon.condition.config.vault.url}
            self._daemon.journal.tell("vault.followed", "warning", message, data=data)

    def _broken(self, error: Exception) -> UnderstudyError:
        message = f"a fault in understudy: {type(error).__name__}: {error}"
        self._daemon.journal.fault(message, error)
        return UnderstudyError(message, hint="the log has the traceback; it is tried again by itself")

    async def _check_vault(self) -> None:
        """Also follow what a command protected without asking the daemon."""
        try:
            await self._daemon.engine.touch()
            await self._daemon.machines.begin()
            await self._daemon.standbys.begin()
        except UnderstudyError as error:
            again = self._daemon.condition.vault is not None
            self._unwell(error)
            if again:
                await self._reopen()
        else:
            self._well()

    async def _reopen(self) -> None:
        """In the background: a store that hangs may take for ever to be closed."""
        if self._reopening is None or self._reopening.done():
            self._reopening = asyncio.create_task(self._daemon.engine.reopen(), name="reopen")
        await asyncio.wait([self._reopening], timeout=TICK)

    def _unwell(self, error: UnderstudyError) -> None:
        if self._daemon.condition.vault is None or self._daemon.condition.vault.message != error.message:
            self._daemon.journal.tell("vault.unreachable", "error", f"the vault cannot be used: {error.message}", data={"hint": error.hint})
        self._daemon.condition.vault = error

    def _well(self) -> None:
        if self._daemon.condition.vault is not None:
            self._daemon.journal.tell("vault.reachable", "info", "the vault can be used again")
            self._daemon.machines.again()
            self._daemon.standbys.again()
        self._daemon.condition.vault = None

    async def _forget(self) -> None:
        """What ended, and happened, long ago."""
        keep = self._daemon.condition.config.maintenance
        try:
            await self._daemon.journal.prune(keep.jobs_for, keep.events_for)
        except StateFailed as error:
            self._daemon.journal.tell("daemon.jobs-failed", "warning", error.message)

    async def _keep(self, now: float) -> None:
        if (
            self._daemon.slots.waiting
            or self._daemon.slots.running >= self._daemon.condition.config.limits.cycles
            or not self._daemon.pulse.calm
        ):
            return
        if self._daemon.condition.vault is not None or self._daemon.runner.has(self._job):
            return
        every = self._daemon.condition.config.maintenance.every
        tracks = {track.id: track for track in self._daemon.machines.tracks}
        self._kept = {machine: self._kept.get(machine) or first_turn(machine, every, now) for machine in tracks}
        for machine, track in tracks.items():
            kind, self._kept[machine] = due(track.care(), self._kept[machine], every, now)
            if kind is not None and not self._daemon.runner.busy_with(machine):
                await self._start(track, kind)
                return

    async def _start(self, track: Track, kind: JobKind) -> None:
        parameters: dict[str, Any] = {}
        if kind == "collect":
            parameters = {"grace_seconds": round(self._daemon.condition.config.maintenance.grace)}
        if kind == "test-failover":
            parameters = {"cleanup": True, "note": "by the policy"}
        if kind == "verify":
            parameters = {"points": [await self._newest(track)], "level": "digest"}
            if parameters["points"] == [""]:
                return
        request = StartJob(kind=kind, machine=track.id, parameters=parameters, actor=ACTOR)
        try:
            self._job = (await self._daemon.runner.start(request, track.id)).id
        except UnderstudyError as error:
            self._daemon.journal.tell("maintenance.failed", "warning", f"{kind} of {track.name}: {error.message}", machine=track.id)

    async def _newest(self, track: Track) -> str:
        """The id of the newest point; empty without any."""
        try:
            here = await self._daemon.engine.here(track.id)
        except UnderstudyError:
            return ""
        return here.machine.newest.id if here.machine.newest else ""


def _is_over(drill: Drill, now: int) -> bool:
    """Of a test that no job is at. `now`: wall-clock ns."""
    return drill.state in ("starting", "checking", "cleaning") or (drill.keep_until is not None and drill.keep_until <= now)
