"""The second vaults that this host's machines are copied to: a loop for each."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from understudy.daemon.machines import Machines
from understudy.daemon.second_carrier import SecondCarrier
from understudy.daemon.served import ServedEngine
from understudy.engine import Health, MachineStatus, Reason, ReplicationPolicy, Second, Severity
from understudy.errors import Conflict
from understudy.jobs.journal import Journal
from understudy.scheduler.health import worst
from understudy.scheduler.second import SecondFacts, second_health
from understudy.store.protocol import ObjectStore

TICK = 1.0
_SEVERITY: dict[Health, Severity] = {"normal": "info", "warning": "warning", "critical": "error"}


class Seconds:
    """`run` until cancelled. `open_store` keeps to a pace of its own, so that no cycle waits for a copy."""

    def __init__(
        self,
        engine: ServedEngine,
        machines: Machines,
        open_store: Callable[[str], ObjectStore],
        every: Callable[[], float],
        journal: Journal,
    ) -> None:
        self._engine = engine
        self._machines = machines
        self._open_store = open_store
        self._every = every
        self._journal = journal
        self._carriers: dict[str, tuple[SecondCarrier, asyncio.Task[None]]] = {}
        self._healths: dict[str, Health] = {}

    async def run(self) -> None:
        try:
            while True:
                await self._begin()
                self._look()
                await asyncio.sleep(TICK)
        finally:
            for _, task in self._carriers.values():
                task.cancel()
            await asyncio.gather(*(task for _, task in self._carriers.values()), return_exceptions=True)

    async def must_be_possible(self, url: str) -> None:
        """`InvalidRequest` if `url` is no address, `Conflict` if it is the vault's own."""
        if not url:
            return
        await self._open_store(url).close()
        if url == self._engine.url:
            raise Conflict("this is the vault itself, and no copy of it", hint="name another place")

    def with_second(self, status: MachineStatus) -> MachineStatus:
        found = self._facts(status.id, status.policy)
        if found is None:
            return status
        health, reasons = second_health(found)
        both = (*status.reasons, *reasons)
        return msgspec.structs.replace(status, health=worst([status.health, health]), reasons=both, second=found.second)

    async def _begin(self) -> None:
        wanted = {track.policy.second for track in self._machines.tracks if track.policy.second}
        for url in wanted - self._carriers.keys():
            carrier = SecondCarrier(url, self._engine, self._opened, self._policies, self._every, self._journal)
            self._carriers[url] = carrier, asyncio.create_task(carrier.run(), name=f"second vault {url}")
        for url in self._carriers.keys() - wanted:
            _, task = self._carriers.pop(url)
            task.cancel()
            await asyncio.wait([task])

    def _opened(self, url: str) -> ObjectStore:
        if url == self._engine.url:
            raise Conflict("its second vault is the vault itself", hint="`understudy policy set NAME --second URL` names another, or none")
        return self._open_store(url)

    def _policies(self, url: str) -> dict[str, ReplicationPolicy]:
        return {track.id: track.policy for track in self._machines.tracks if track.policy.second == url}

    def _facts(self, machine: str, policy: ReplicationPolicy) -> SecondFacts | None:
        if not policy.second:
            return None
        found = self._carriers.get(policy.second)
        facts = found[0].facts(machine) if found is not None else None
        return facts or SecondFacts(policy=policy, second=Second(url=policy.second, state="waiting"))

    def _look(self) -> None:
        """Who became late, or was brought on again, is told once."""
        for track in self._machines.tracks:
            found = self._facts(track.id, track.policy)
            if found is None:
                self._healths.pop(track.id, None)
                continue
            health, reasons = second_health(found)
            before = self._healths.get(track.id, "normal")
            self._healths[track.id] = health
            if health != before:
                self._tell(track.id, track.name, before, health, reasons)

    def _tell(self, machine: str, name: str, before: Health, health: Health, reasons: Sequence[Reason]) -> None:
        why = "; ".join(reason.message for reason in reasons if reason.health == health)
        message = f"the second vault of {name}: {before} => {health}" + (f": {why}" if why and health != "normal" else "")
        data = {"before": before, "after": health, "reasons": [reason.code for reason in reasons]}
        self._journal.tell("second.health", _SEVERITY[health], message, machine=machine, data=data)
