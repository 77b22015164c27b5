"""One machine's loop: a cycle whenever one is due, for as long as the daemon lives."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from typing import Protocol

from understudy.daemon.cycling import may_go_on, to_its_end
from understudy.daemon.slots import Slots
from understudy.daemon.track import Track, failure_of
from understudy.daemon.wanted import Wanted
from understudy.engine import Cycle, Progress, Reason, Replication, Severity
from understudy.engine.units import count
from understudy.errors import Conflict, UnderstudyError
from understudy.jobs.journal import Journal
from understudy.local.here import Here
from understudy.scheduler.pace import missed, next_due, period
from understudy.scheduler.retry import Kind, judge
from understudy.scheduler.slots import Ready
from understudy.scheduler.windows import opens_at, rate_at

LONGEST_SLEEP = 30.0
"""Times of day are looked at so often: the wall clock may have been set meanwhile."""


ASK_EVERY = 10.0
"""So often, between cycles, it is asked what is pending."""


class Followed(Protocol):
    """What a follower needs of the engine."""

    def replicate(self, machine: str) -> AbstractAsyncContextManager[Replication]: ...

    async def here(self, machine: str) -> Here: ...

    async def is_operator(self) -> bool: ...


class Follower:
    """`run` until cancelled. `stop` lets a cycle that runs come to its end, and none begin."""

    def __init__(self, track: Track, engine: Followed, slots: Slots, journal: Journal) -> None:
        self.track = track
        self._engine = engine
        self._slots = slots
        self._journal = journal
        self._changed = asyncio.Event()
        self._out = asyncio.Event()
        self._out.set()
        self._aside = 0
        self._owner = asyncio.Lock()
        self._stopping = False
        self._made = 0
        self._wanted: list[Wanted] = []
        self._cycle: asyncio.Task[Cycle] | None = None
        self._why = ""
        self._retry_at = 0.0

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            gone = Conflict(f"{self.track.name!r} is not followed any more: it was unprotected, or the daemon stops")
            for one in self._wanted:
                one.failed(gone)

    async def _run(self) -> None:
        while not self._stopping:
            if self._aside or self.track.halted is not None:
                await self._sleep(None)
                continue
            self._out.clear()
            try:
                await self._follow()
            except Exception as error:
                # Also a fault of our own is told and tried again: it must not end the other machines' loops.
                for one in self._wanted:
                    one.failed(error)
                self._failed(error)
            finally:
                self._out.set()
            await self._recover()

    def stop(self) -> None:
        self._stopping = True
        self.poke()

    def poke(self) -> None:
        """Something changed: look again what is due."""
        self._changed.set()

    def again(self) -> None:
        """The vault is there again: no backoff is waited for. A machine that was fenced is left alone all the same."""
        if self.track.kind is not Kind.OVER:
            self._retry_at = 0.0
            self.poke()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Another may own the machine until the context is left, one at a time; a cycle that runs comes to its end first."""
        self._aside += 1
        self.poke()
        try:
            await self._out.wait()
            async with self._owner:
                yield
        finally:
            self._aside -= 1
            self._retry_at = 0.0
            self.poke()

    async def cycle(self, app_consistent: bool, progress: Callable[[Progress], None]) -> Cycle:
        """The next cycle, at once; its first error is raised. It waits for no window and no backoff; a pause refuses it."""
        if self.track.halted is not None:
            raise Conflict(f"{self.track.name!r} is not replicated now: {self.track.halted.message}", hint=self.track.halted.hint)
        if self.track.policy.paused:
            raise Conflict(
                f"replication of {self.track.name!r} is paused", hint=f"`understudy policy set {self.track.name} --resume` goes on"
            )
        wanted = Wanted(app_consistent, progress, asyncio.get_running_loop().create_future())
        self._wanted.append(wanted)
        self._retry_at = 0.0
        self.poke()
        try:
            return await wanted.done
        finally:
            with suppress(ValueError):
                self._wanted.remove(wanted)

    def give_up(self, why: str) -> None:
        """Abandon the cycle that runs, cleanly. Asked again meanwhile, nothing happens: its cleaning up is not cancelled."""
        if self._cycle is not None and not self._cycle.done() and not self._why:
            self._why = why
            self._cycle.cancel()

    def halt(self, reason: Reason | None) -> None:
        """No cycle is made from now on, and one that runs is given up; None: they are again. Who waits for one hears why."""
        before, self.track.halted = self.track.halted, reason
        if reason is None:
            if before is not None:
                self._retry_at = 0.0
                self.track.began = None
                self.poke()
            return
        self.give_up(reason.message)
        for one in list(self._wanted):
            one.failed(Conflict(f"{self.track.name!r} is not replicated now: {reason.message}", hint=reason.hint))
        self.poke()

    def look(self) -> None:
        """Once a second: whether a window or an operator ended the time for sending."""
        track = self.track
        track.closed = bool(track.policy.windows) and rate_at(track.policy, datetime.now()) == 0
        track.waiting = self._is_early(time.time())
        if track.policy.paused:
            self.give_up("an operator paused replication")
        elif self._wanted:
            return
        elif track.closed:
            self.give_up("a window forbids sending from now on")
        elif track.waiting:
            self.give_up("the initial replication is to begin later")

    def _is_early(self, wall: float) -> bool:
        at = self.track.policy.initial_at
        return self.track.newest is None and at is not None and wall < at / 1e9

    async def _follow(self) -> None:
        track = self.track
        track.learn(await self._engine.here(track.id), await self._engine.is_operator())
        async with self._engine.replicate(track.id) as replication:
            while await self._until_due(replication):
                await self._one(replication)

    async def _until_due(self, replication: Replication) -> bool:
        """Whether a cycle is to be made now; False: leave the machine to others."""
        asked = self.track.clock()
        while True:
            if self._stopping or self._aside or self.track.halted is not None:
                return False
            seconds = self._wait()
            if seconds is not None and seconds <= 0:
                return True
            ask = asked + ASK_EVERY - self.track.clock()
            if ask <= 0:
                await self._ask(replication)
                asked = self.track.clock()
                continue
            await self._sleep(min(ask, LONGEST_SLEEP if seconds is None else seconds))

    async def _ask(self, replication: Replication) -> None:
        try:
            self.track.pending = await replication.pending()
        except UnderstudyError:
            # What is wrong there is the next cycle's to tell.
            self.track.pending = None

    def _wait(self) -> float | None:
        """Seconds until the next cycle; None: until something changes."""
        track, now, wall = self.track, self.track.clock(), time.time()
        policy = track.policy
        track.waiting = self._is_early(wall)
        if policy.paused:
            track.due_at = None
            return None
        if self._wanted:
            return 0.0
        seconds: float = self._due(now) - now
        if track.waiting and policy.initial_at is not None:
            seconds = max(seconds, policy.initial_at / 1e9 - wall)
        opens = opens_at(policy, wall, None)
        if opens is None:
            track.due_at = None
            return None
        seconds = max(seconds, opens - wall)
        track.due_at = round((wall + seconds) * 1e9)
        return seconds

    def _due(self, now: float) -> float:
        """After a failure when it is tried again, however long the interval is."""
        track = self.track
        return max(self._retry_at, now) if track.failures else next_due(track.policy, track.transfers, track.began, now)

    async def _one(self, replication: Replication) -> None:
        track = self.track
        due = max(self._due(0.0), track.since)
        ready = Ready(track.id, track.deadline, track.slow, track.weight, bool(self._wanted))
        async with self._slots.turn(ready):
            if self._stopping or self._aside or track.policy.paused or track.halted is not None:
                return
            now, length = track.clock(), period(track.policy, track.transfers)
            if track.began is not None:
                track.late.append(missed(due, now, length))
                track.missed += track.late[-1]
            track.began, track.running = now, True
            wanted = list(self._wanted)
            try:
                await self._made_one(replication, wanted)
            except Exception as error:
                # Whatever it was, those who wait for this cycle hear of it; what is no ordinary failure goes on to `_run`.
                for one in wanted:
                    one.failed(error)
                if not isinstance(error, UnderstudyError) or not may_go_on(error):
                    raise
                self._failed(error)
            finally:
                track.over()

    async def _made_one(self, replication: Replication, wanted: list[Wanted]) -> None:
        track = self.track
        every = track.policy.app_every
        app = any(one.app_consistent for one in wanted) or (every > 0 and self._made % every == 0)

        def progress(now: Progress) -> None:
            track.follow(now)
            for one in wanted:
                one.progress(now)

        self._why = ""
        self._cycle = asyncio.create_task(replication.cycle(progress, app), name=f"cycle {track.name}")
        try:
            cycle = await to_its_end(self._cycle)
        except asyncio.CancelledError:
            asked = asyncio.current_task()
            if not self._why or (asked is not None and asked.cancelling()):
                raise
            self._journal.tell("machine.abandoned", "info", f"a cycle of {track.name} was given up: {self._why}", machine=track.id)
            for one in wanted:
                one.failed(Conflict(f"the cycle was given up: {self._why}"))
            return
        finally:
            self._cycle = None
        self._made += 1
        again = track.failures
        track.made(cycle)
        for one in wanted:
            one.made(cycle)
        self._told(cycle, again)
        if cycle.cause != "delta" or not track.disks:
            await self._look_at_disks()

    async def _look_at_disks(self) -> None:
        """Which there are, and of what size: a cycle does not say it."""
        with suppress(UnderstudyError):
            # It is the next cycle that tells what is wrong with the vault.
            self.track.learn(await self._engine.here(self.track.id), self.track.operator)

    def _told(self, cycle: Cycle, again: int) -> None:
        name, machine = self.track.name, self.track.id
        if again:
            self._journal.tell("machine.recovered", "info", f"{name} is replicated again after {count(again, 'failure')}", machine=machine)
        data = {
            "cycle": cycle.point,
            "point": cycle.number,
            "cause": cycle.cause,
            "method": cycle.method,
            "consistency": cycle.consistency,
            "frozen_at": cycle.frozen_at,
            "scanned_blocks": cycle.scanned_blocks,
            "changed_blocks": cycle.changed_blocks,
            "stored_bytes": cycle.stored_bytes,
            "seconds": round(cycle.seconds, 3),
            "rpo_seconds": round(cycle.rpo_seconds, 3),
        }
        why = f": {cycle.cause}" + (f" ({cycle.reason})" if cycle.reason else "")
        self._journal.tell("machine.cycle", "info", f"point {cycle.number} of {name}{why}", machine=machine, data=data)
        if cycle.downgrade:
            message = f"point {cycle.number} of {name} is crash-consistent only: {cycle.downgrade}"
            self._journal.tell("machine.downgrade", "warning", message, machine=machine)

    def _failed(self, error: Exception) -> None:
        track = self.track
        verdict = judge(error, track.failures + 1, random.random())
        before = track.failure.message if track.failure else ""
        track.failed(error, verdict)
        self._retry_at = float("inf") if verdict.seconds is None else track.clock() + verdict.seconds
        failure = failure_of(error)
        if verdict.kind is Kind.FAULT:
            self._journal.fault(f"the loop of {track.name} broke: {failure.message}", error, machine=track.id)
        elif failure.message != before or track.failures in (1, 10, 100):
            severity: Severity = "warning" if verdict.kind in (Kind.PASSES, Kind.BUSY) else "error"
            data = {"code": failure.code, "hint": failure.hint, "failures": track.failures}
            message = f"{track.name} failed: {failure.message}"
            self._journal.tell("machine.failed", severity, message, machine=track.id, data=data)

    async def _recover(self) -> None:
        """Wait until the machine may be opened again."""
        while not self._stopping and (seconds := self._retry_at - self.track.clock()) > 0:
            self.track.due_at = None if seconds == float("inf") else time.time_ns() + round(seconds * 1e9)
            await self._sleep(min(seconds, LONGEST_SLEEP))

    async def _sleep(self, seconds: float | None) -> None:
        """Until something changed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()
