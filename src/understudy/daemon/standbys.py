"""The standbys that this host keeps: a loop for each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from understudy.daemon.served import ServedEngine
from understudy.daemon.standby_follower import StandbyFollower, Turns, status_of
from understudy.engine import MachineStatus
from understudy.errors import UnderstudyError
from understudy.jobs.journal import Journal
from understudy.scheduler.health import worst
from understudy.scheduler.standing import standby_health


class Standbys:
    """`tasks` runs the loops: it must live as long as this."""

    def __init__(self, engine: ServedEngine, journal: Journal, tasks: asyncio.TaskGroup) -> None:
        self._engine = engine
        self._journal = journal
        self._tasks = tasks
        self._turns = Turns()
        self._followers: dict[str, tuple[StandbyFollower, asyncio.Task[None]]] = {}
        self._stopping = False

    async def begin(self) -> None:
        """Follow what is kept here and is not followed yet; leave what was removed."""
        kept = set(await self._engine.standbys_kept())
        for machine in kept - self._followers.keys():
            if not self._stopping:
                follower = StandbyFollower(machine, self._engine, self._turns, self._journal)
                self._followers[machine] = follower, self._tasks.create_task(follower.run(), name=f"standby {machine}")
        for machine in self._followers.keys() - kept:
            _, task = self._followers.pop(machine)
            await _ended([task])

    @asynccontextmanager
    async def aside(self, machine: str) -> AsyncIterator[None]:
        """Leave a machine's standby (its id) to somebody else meanwhile; nothing happens if it has none."""
        found = self._followers.get(machine)
        if found is None:
            yield
        else:
            async with found[0].aside():
                yield
        # What was done is done; a vault that cannot be opened now is the upkeep's to tell, which looks again.
        with suppress(UnderstudyError):
            await self.begin()

    @asynccontextmanager
    async def still(self, machine: str, seconds: float) -> AsyncIterator[None]:
        """A machine's standby begins nothing meanwhile; nothing happens if it has none. `seconds`: for a step that is under way."""
        found = self._followers.get(machine)
        if found is None:
            yield
        else:
            async with found[0].still(seconds):
                yield

    def again(self) -> None:
        """The vault is there again."""
        for follower, _ in self._followers.values():
            follower.poke()

    def known(self, machine: str) -> str:
        """The id of the one machine under this name or id that has a standby here; empty if there is none, or are several."""
        found = [follower.machine for follower, _ in self._followers.values() if machine in (follower.machine, follower.name)]
        return found[0] if len(found) == 1 else ""

    def joined(self, statuses: Sequence[MachineStatus]) -> tuple[MachineStatus, ...]:
        """These machines with their standbys, and those of which only a standby is here. By name."""
        shown = [self.with_standby(status) for status in statuses]
        known = {status.id for status in statuses}
        shown += [status_of(follower) for machine, (follower, _) in self._followers.items() if machine not in known]
        return tuple(sorted(shown, key=lambda status: (status.name, status.id)))

    def with_standby(self, status: MachineStatus) -> MachineStatus:
        found = self._followers.get(status.id)
        if found is None:
            return status
        health, reasons = standby_health(found[0].facts())
        both = (*status.reasons, *reasons)
        return msgspec.structs.replace(
            status, health=worst([status.health, health]), reasons=both, standby=found[0].standby, standby_progress=found[0].progress
        )

    def status(self, machine: str) -> MachineStatus | None:
        """Of a machine (its id) of which only a standby is here."""
        found = self._followers.get(machine)
        return None if found is None else status_of(found[0])

    async def stop(self) -> None:
        """Steps that run are given up; how far they came stays on record."""
        self._stopping = True
        await _ended([task for _, task in self._followers.values()])

    def cancel(self) -> None:
        for _, task in self._followers.values():
            task.cancel()


async def _ended(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
