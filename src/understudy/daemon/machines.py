"""The machines of this host: a follower for each, and what one asks of all of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from understudy.config.values import Config
from understudy.daemon.follower import Follower
from understudy.daemon.served import ServedEngine
from understudy.daemon.slots import Slots
from understudy.daemon.track import Track
from understudy.engine import Cycle, Health, OnProgress, Reason, ReplicationPolicy, Severity
from understudy.errors import NotFound, StateFailed
from understudy.jobs.journal import Journal
from understudy.scheduler.health import health_of

SAMPLE = 15.0
"""Seconds between two samples of the RPO's history, an hour of it in all."""
_SEVERITY: dict[Health, Severity] = {"normal": "info", "warning": "warning", "critical": "error"}


class Machines:
    """`tasks` runs a follower's loop: it must live as long as this."""

    def __init__(self, engine: ServedEngine, slots: Slots, journal: Journal, config: Config, tasks: asyncio.TaskGroup) -> None:
        self._engine = engine
        self._slots = slots
        self._journal = journal
        self._tasks = tasks
        self._followers: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._healths: dict[str, Health] = {}
        self._own: set[str] = set()
        self._default = config.policy
        self._sampled = 0.0
        self._stopping = False
        self.begun = False
        """Whether all machines of this host were found once."""

    def __len__(self) -> int:
        return len(self._followers)

    @property
    def tracks(self) -> list[Track]:
        """By name."""
        return sorted((follower.track for follower, _ in self._followers.values()), key=lambda track: (track.name, track.id))

    async def begin(self) -> None:
        """Follow every machine of this host that is not followed yet."""
        for machine in await self._engine.followed():
            await self.follow(machine)
        self.begun = True

    async def follow(self, machine: str) -> None:
        if machine in self._followers:
            self._followers[machine][0].poke()
            return
        if self._stopping:
            return
        own, doubt = await self._policy(machine)
        if machine in self._followers:
            return
        if own is not None:
            self._own.add(machine)
        follower = Follower(Track(machine, own or self._default, doubt=doubt), self._engine, self._slots, self._journal)
        task = self._tasks.create_task(follower.run(), name=f"follower {machine}")
        self._followers[machine] = follower, task

    def again(self) -> None:
        """The vault is there again."""
        for follower, _ in self._followers.values():
            follower.again()

    async def leave(self, machine: str) -> None:
        """Its last cycle is over: called by whoever has it aside."""
        found = self._followers.pop(machine, None)
        if found is not None:
            follower, task = found
            follower.stop()
            task.cancel()
            await asyncio.wait([task])
        self._healths.pop(machine, None)
        self._own.discard(machine)

    def proven(self, machine: str, damage: str) -> None:
        """Points of it were read and compared; `damage`: what was wrong, empty if nothing was."""
        found = self._followers.get(machine)
        if found is not None:
            found[0].track.damage = damage

    async def renew(self, machine: str) -> None:
        found = self._followers.get(machine)
        if found is not None:
            found[0].track.learn(await self._engine.here(machine), await self._engine.is_operator())

    @asynccontextmanager
    async def aside(self, machine: str) -> AsyncIterator[None]:
        found = self._followers.get(machine)
        if found is None:
            yield
            return
        async with found[0].aside():
            yield

    def known(self, machine: str) -> str:
        try:
            return self.find(machine).track.id
        except NotFound:
            return ""

    def find(self, machine: str) -> Follower:
        """By name or id."""
        found = self._followers.get(machine)
        named = [follower for follower, _ in self._followers.values() if follower.track.name == machine]
        if found is None and len(named) != 1:
            known = ", ".join(track.name for track in self.tracks[:10])
            raise NotFound(f"this host follows no machine {machine!r}", hint=f"it follows {known}" if known else "it follows none yet")
        return found[0] if found is not None else named[0]

    def policy_of(self, machine: str) -> ReplicationPolicy | None:
        found = self._followers.get(machine)
        return found[0].track.policy if found else None

    async def set_policy(self, machine: str, policy: ReplicationPolicy) -> None:
        follower = self.find(machine)
        await self._engine.set_policy(follower.track.id, policy)
        self._own.add(follower.track.id)
        follower.track.policy, follower.track.doubt = policy, ""
        follower.poke()

    def set_default(self, policy: ReplicationPolicy) -> None:
        """Of machines without a policy of their own."""
        self._default = policy
        for machine, (follower, _) in self._followers.items():
            if machine not in self._own:
                follower.track.policy = policy
                follower.poke()

    async def cycle(self, machine: str, app_consistent: bool, progress: OnProgress) -> Cycle:
        """The machine's next one, begun at once."""
        return await self.find(machine).cycle(app_consistent, progress)

    def halt(self, machine: str, reason: Reason | None) -> None:
        """No cycle of it is made from now on; None: they are again."""
        found = self._followers.get(machine)
        if found is not None:
            found[0].halt(reason)

    def cancel(self) -> None:
        """End what is left."""
        for _, task in self._followers.values():
            task.cancel()

    def stop(self) -> None:
        """No cycle begins any more; those that run come to their end."""
        self._stopping = True
        for follower, _ in self._followers.values():
            follower.stop()

    async def stopped(self, seconds: float) -> bool:
        """Whether all came to their end within `seconds`; the others are cancelled, and have cleaned up when this returns."""
        tasks = [task for _, task in self._followers.values()]
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return not late

    def look(self, now: Callable[[], int] = time.time_ns) -> None:
        """Once a second: windows, the history, and who became well or ill."""
        sample = time.monotonic() - self._sampled >= SAMPLE
        if sample:
            self._sampled = time.monotonic()
        for machine, (follower, _) in self._followers.items():
            follower.look()
            track = follower.track
            if sample:
                track.sample(now())
            self._compare(machine, track)
        self._slots.pump()

    def _compare(self, machine: str, track: Track) -> None:
        health, reasons = health_of(track.facts())
        before = self._healths.get(machine)
        self._healths[machine] = health
        if before is None or before == health:
            return
        why = "; ".join(reason.message for reason in reasons if reason.health == health)
        message = f"{track.name}: {before} => {health}" + (f": {why}" if why and health != "normal" else "")
        data = {"before": before, "after": health, "reasons": [reason.code for reason in reasons]}
        self._journal.tell("machine.health", _SEVERITY[health], message, machine=machine, data=data)

    async def _policy(self, machine: str) -> tuple[ReplicationPolicy | None, str]:
        """Its own, and why that cannot be read."""
        try:
            return await self._engine.policy(machine), ""
        except StateFailed as error:
            self._journal.tell("policy.damaged", "error", f"{error.message}; the default policy holds", machine=machine)
            return None, error.message
