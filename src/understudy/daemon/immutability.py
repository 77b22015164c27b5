"""Keeps locked what points need, machine after machine; replication never waits for it."""

import asyncio
import random
import time
from collections.abc import Callable

import msgspec

from understudy.daemon.machines import Machines
from understudy.daemon.served import ServedEngine
from understudy.daemon.track import Track, failure_of
from understudy.engine import Immutability
from understudy.errors import UnderstudyError
from understudy.jobs.journal import Journal
from understudy.scheduler.immutability import EACH, period
from understudy.scheduler.retry import judge

TURN = 2.0
LONGEST_PAUSE = 600.0


class Holding:
    """`run` until cancelled. `usable`: whether the vault answers; its failures are told elsewhere."""

    def __init__(self, engine: ServedEngine, machines: Machines, journal: Journal, usable: Callable[[], bool]) -> None:
        self._engine = engine
        self._machines = machines
        self._journal = journal
        self._usable = usable
        self._next: dict[str, tuple[float, float]] = {}
        """By machine: for what policy, and when by the monotonic clock."""
        self._failures: dict[str, int] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TURN)
            if not self._machines.begun or not self._usable():
                continue
            for track in self._machines.tracks:
                wanted, at = self._next.get(track.id, (-1.0, 0.0))
                seconds = track.policy.immutable
                if wanted == seconds and not (wanted and time.monotonic() >= at):
                    continue
                try:
                    await self._turn(track, seconds)
                except Exception as error:
                    self._failed(track, seconds, error)

    async def _turn(self, track: Track, seconds: float) -> None:
        if not seconds:
            await self._engine.forget_immutability(track.id)
            track.immutable = None
            self._next[track.id] = (0.0, 0.0)
            return
        before = track.immutable = track.immutable or await self._engine.known_immutability(track.id)
        found = await self._engine.keep_immutable(track.id, seconds, EACH)
        self._failures.pop(track.id, None)
        track.immutable = found
        pause = period(found.first_seconds, seconds)
        self._next[track.id] = (seconds, time.monotonic() + pause)
        self._compare(track, before, found)

    def _failed(self, track: Track, seconds: float, error: Exception) -> None:
        before = track.immutable
        failures = self._failures[track.id] = self._failures.get(track.id, 0) + 1
        failure = failure_of(error)
        known = before or Immutability(seconds=seconds, at=time.time_ns())
        track.immutable = msgspec.structs.replace(known, failure=failure)
        pause = min(judge(error, failures, random.random()).seconds or LONGEST_PAUSE, LONGEST_PAUSE)
        self._next[track.id] = (seconds, time.monotonic() + pause)
        if not isinstance(error, UnderstudyError):
            self._journal.fault(f"locking what {track.name} needs broke: {failure.message}", error, machine=track.id)
        elif before is None or before.failure is None or before.failure.message != failure.message:
            message = f"{track.name}: locks could not be renewed: {failure.message}"
            self._journal.tell("immutability.failed", "warning", message, machine=track.id, data={"hint": failure.hint})

    def _compare(self, track: Track, before: Immutability | None, found: Immutability) -> None:
        if found.wrong and (before is None or before.wrong != found.wrong):
            message = f"{track.name}: its points are not immutable: {'; '.join(found.wrong)}"
            self._journal.tell("immutability.wrong", "error", message, machine=track.id, data={"hint": found.hint})
        covered = found.covered + found.lost
        if covered and (before is None or covered > before.covered + before.lost):
            message = (
                f"{track.name}: somebody deleted or overwrote what is locked: {found.covered} can be brought back, {found.lost} are gone"
            )
            data = {"names": list(found.names), "hint": "understudy vault uncover"}
            self._journal.tell("immutability.covered", "error", message, machine=track.id, data=data)
        begins = before is None or before.until is None or before.failure is not None or before.seconds != found.seconds
        if not found.wrong and begins:
            message = f"{track.name}: all that its points need is locked: {found.objects} objects"
            self._journal.tell("immutability.held", "info", message, machine=track.id, data={"until": found.until, "locked": found.locked})
