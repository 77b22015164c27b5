"""A service in memory: the API's contract can be tested without a daemon, and made to fail where one rarely does."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.api.fake_drills import DRILL, FakeDrills
from tests.api.fake_plans import FakePlanEngine, FakePlanService
from tests.api.fake_stand_in import FakeStandIn
from tests.api.fake_standbys import FakeStandbys
from tests.cli.fake_engine import DISKS, FIRST_FREEZE, SECOND, FakeEngine
from understudy.engine import (
    AddHold,
    Collect,
    CycleFigures,
    CycleTotals,
    Decided,
    Event,
    EventQuery,
    Failure,
    FollowStandby,
    Hold,
    Job,
    JobProgress,
    JobQuery,
    MachineStatus,
    Policy,
    Prune,
    Pruned,
    Reason,
    RemoveHold,
    ReplicationPolicy,
    Restore,
    RestoreGroup,
    Retention,
    RpoSample,
    SeedExport,
    SeedImport,
    ServiceHealth,
    SetDefinition,
    SetRetention,
    ShownDefinition,
    StartJob,
    Value,
    VaultInfo,
    Verify,
)
from understudy.engine.profiling import Profile
from understudy.errors import Conflict, NotFound

NOW = FIRST_FREEZE + 125 * SECOND
ENDED = ("succeeded", "failed", "cancelled")


@dataclass
class FakeServiceEngine(FakePlanEngine, FakeEngine, FakeStandbys):
    """What the command line's fake does not need."""

    async def definition(self, machine: str) -> ShownDefinition:
        self._asked(("definition", machine))
        return ShownDefinition(machine="web", given=True, point="", text='name = "web"', unknown=("unknown: a thing",))

    async def set_definition(self, request: SetDefinition) -> SetDefinition:
        self._asked(request)
        return request

    async def retention(self, machine: str) -> Retention:
        self._asked(("retention", machine))
        return Retention(machine="web", policy=None)

    async def set_retention(self, request: SetRetention) -> Retention:
        self._asked(request)
        return Retention(machine="web", policy=request.policy)

    async def prune(self, request: Prune) -> Pruned:
        self._asked(request)
        decided = [
            Decided(number=point.number, id=point.id, frozen_at=point.frozen_at, keep=True, reasons=("held",)) for point in self.points_now
        ]
        return Pruned(machine="web", dry_run=request.dry_run, policy=Policy(), points=tuple(decided))

    async def holds(self, machine: str) -> tuple[Hold, ...]:
        self._asked(("holds", machine))
        return (self._hold("why not"),)

    async def add_hold(self, request: AddHold) -> Hold:
        self._asked(request)
        return self._hold(request.reason)

    async def remove_hold(self, request: RemoveHold) -> Hold:
        self._asked(request)
        return self._hold("why not")

    def _hold(self, reason: str) -> Hold:
        return Hold(id="7c" * 16, machine="web", point=self.points_now[0].id, number=3, reason=reason)


def status(name: str, **changes: Any) -> MachineStatus:
    """A machine that is well, but for `changes`."""
    plain = MachineStatus(
        id=f"{sum(name.encode()):02x}".rjust(32, "1"),
        name=name,
        source="qemu",
        health="normal",
        reasons=(),
        phase="protected",
        policy=ReplicationPolicy(interval=5.0),
        retention=None,
        computed_at=NOW,
        rpo_seconds=3.25,
        warning_rpo=10.0,
        critical_rpo=30.0,
        rpo_history=tuple(RpoSample(at=NOW - (60 - n) * SECOND, seconds=2.0 + (n * 7 % 11) / 3) for n in range(60)),
        newest_point=7,
        newest_frozen_at=FIRST_FREEZE + 120 * SECOND,
        points=3,
        disks=DISKS,
        method="fleecing",
        cycles=CycleFigures(count=100, average_seconds=0.5, maximum_seconds=2.0, average_bytes=1 << 20, maximum_bytes=9 << 20),
        totals=CycleTotals(made=812, failed=2, seconds=420.5, read_bytes=3 << 30, stored_bytes=1 << 30),
        next_at=NOW + 2 * SECOND,
        verified_at=FIRST_FREEZE,
        verified_point=3,
        vault_seen_at=NOW,
    )
    return msgspec.structs.replace(plain, **changes)


BEHIND = (Reason(code="rpo", health="warning", message="the newest point is 45 s old", hint="give it a longer interval"),)


@dataclass
class FakeService(FakePlanService, FakeStandIn, FakeDrills):
    """Machines `web` and `db`; jobs end when `end` says so; `failures` are raised by the calls to come."""

    machines: list[MachineStatus] = field(default_factory=lambda: [status("web"), status("db", health="warning", reasons=BEHIND)])
    engine: FakeServiceEngine = field(default_factory=FakeServiceEngine)
    jobs_now: list[Job] = field(default_factory=list)
    events_now: list[Event] = field(default_factory=list)
    failures: deque[BaseException] = field(default_factory=deque)
    audited: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    started: list[StartJob] = field(default_factory=list)
    readers: list["asyncio.Queue[Event | Job | BaseException]"] = field(default_factory=list)
    ends_at_once: bool = True
    delay: float = 0.0
    working: "set[asyncio.Task[None]]" = field(default_factory=set)
    ids: Any = field(default_factory=itertools.count)

    async def _called(self) -> None:
        await asyncio.sleep(self.delay)
        if self.failures:
            raise self.failures.popleft()

    async def health(self) -> ServiceHealth:
        await self._called()
        return ServiceHealth(
            health="normal",
            reasons=(),
            version="0.1.0",
            site="host-a",
            vault="file:///srv/vault",
            vault_id="ab" * 16,
            started_at=FIRST_FREEZE,
            now=NOW,
            machines=len(self.machines),
            running_cycles=1,
            running_jobs=0,
            loop_lag_seconds=0.002,
            tasks=9,
            resident_bytes=90 << 20,
            libraries={"python": "3.11"},
        )

    async def vault(self) -> VaultInfo:
        await self._called()
        return await self.engine.vault()

    async def statuses(self) -> tuple[MachineStatus, ...]:
        await self._called()
        return tuple(self.machines)

    async def status(self, machine: str) -> MachineStatus:
        await self._called()
        found = next((one for one in self.machines if machine in (one.name, one.id)), None)
        if found is None:
            raise NotFound(f"no machine {machine!r} is followed here", hint="`understudy status` lists them")
        return found

    async def set_policy(self, machine: str, policy: ReplicationPolicy, actor: str) -> ReplicationPolicy:
        found = await self.status(machine)
        self.machines[self.machines.index(found)] = msgspec.structs.replace(found, policy=policy)
        return policy

    async def start(self, request: StartJob) -> Job:
        await self._called()
        self.started.append(request)
        if request.machine is not None:
            await self.status(request.machine)
        number = next(self.ids)
        job = Job(
            id=f"j{number:04}",
            kind=request.kind,
            machine=request.machine,
            parameters=request.parameters,
            actor=request.actor,
            state="running",
            created_at=NOW,
            started_at=NOW,
            attempts=1,
            progress=JobProgress(phase="copy", done=1, total=4, rate=1.0, eta_seconds=3.0),
            cancellable=True,
        )
        self.jobs_now.append(job)
        self.tell(job)
        if self.ends_at_once:
            # A task from the start: what a timer begins while the loop is closed is never ended.
            task = asyncio.create_task(self._run(job))
            self.working.add(task)
            task.add_done_callback(self.working.discard)
        return job

    async def close(self) -> None:
        """Jobs are given up."""
        for task in self.working:
            task.cancel()
        await asyncio.gather(*self.working, return_exceptions=True)

    async def _run(self, job: Job) -> None:
        """The job's work by the fake engine, in a moment."""
        await asyncio.sleep(0.02)
        engine, given = self.engine, job.parameters
        points = tuple(given.get("points", ()))
        first = engine.points_now[0].id
        work: dict[str, Any] = {
            "test-failover": lambda: _given(DRILL),
            "drill-cleanup": lambda: _given(msgspec.structs.replace(DRILL, state="cleaned")),
            "prune": lambda: engine.prune(Prune(machine="web", **given)),
            "collect": lambda: engine.collect(Collect(machine="web", **given)),
            "seed-export": lambda: engine.export_seed(SeedExport(machine="web", **given), lambda _: None),
            "follow-standby": lambda: engine.follow_standby(FollowStandby(machine="web", **given), lambda _: None),
            "profile": lambda: engine.profile(Profile(machine="web", **given), lambda _: None),
            "seed-import": lambda: engine.import_seed(SeedImport(**given), lambda _: None),
            "verify": lambda: (
                engine.verify(Verify(machine="web", points=points, level=given["level"]), lambda _: None)
                if points
                else engine.scrub(lambda _: None)
            ),
            "restore": lambda: (
                engine.restore(Restore(machine="web", **{"point": first} | given), lambda _: None)
                if job.machine
                else engine.restore_group(RestoreGroup(**given), lambda _: None)
            ),
            "replicate": lambda: (
                engine.cycle(lambda _: None, given["app_consistent"])
                if job.machine
                else _group_cycle(engine, given["group"], given["app_consistent"])
            ),
        }
        result = await work[job.kind]()
        self.end(job.id, result=msgspec.to_builtins(result))

    def end(self, job: str, *, result: dict[str, Any] | None = None, error: Failure | None = None) -> None:
        found = next(one for one in self.jobs_now if one.id == job)
        state = "succeeded" if error is None else "failed"
        ended = msgspec.structs.replace(found, state=state, ended_at=NOW, result=result, error=error, cancellable=False)
        self.jobs_now[self.jobs_now.index(found)] = ended
        self.tell(ended)

    async def jobs(self, query: JobQuery) -> tuple[Job, ...]:
        await self._called()
        newest = self.jobs_now[::-1]
        if query.before is not None:
            newest = [job for job in newest if job.id < query.before]
        wanted = [job for job in newest if (not query.states or job.state in query.states) and query.machine in (None, job.machine)]
        return tuple(wanted[: query.limit])

    async def job(self, job: str) -> Job:
        await self._called()
        found = next((one for one in self.jobs_now if one.id == job), None)
        if found is None:
            raise NotFound(f"no job {job!r}", hint="`understudy jobs` lists them")
        return found

    async def cancel(self, job: str, actor: str) -> Job:
        found = await self.job(job)
        if found.state in ENDED:
            raise Conflict(f"job {job} is {found.state}")
        cancelled = msgspec.structs.replace(found, state="cancelled", ended_at=NOW, cancellable=False)
        self.jobs_now[self.jobs_now.index(found)] = cancelled
        self.tell(cancelled)
        return cancelled

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        await self._called()
        wanted = [
            event
            for event in self.events_now
            if query.machine in (None, event.machine) and (not query.kinds or event.kind in query.kinds) and event.kind not in query.without
        ]
        if query.after is None:
            return tuple(wanted[-query.limit :])
        return tuple([event for event in wanted if event.id > query.after][: query.limit])

    def tell(self, item: Event | Job | BaseException) -> None:
        if isinstance(item, Event):
            self.events_now.append(item)
        for reader in self.readers:
            reader.put_nowait(item)

    async def follow(self, after: int | None) -> AsyncIterator[Event | Job]:
        queue: asyncio.Queue[Event | Job | BaseException] = asyncio.Queue()
        self.readers.append(queue)
        try:
            for event in self.events_now:
                if after is not None and event.id > after:
                    yield event
            while True:
                item = await queue.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.readers.remove(queue)

    async def audit(self, actor: str, action: str, data: dict[str, Any]) -> None:
        await self._called()
        self.audited.append((actor, action, data))

    def names(self) -> Sequence[str]:
        return [machine.name for machine in self.machines]


async def _given(value: Value) -> Value:
    return value


async def _group_cycle(engine: FakeEngine, name: str, app_consistent: bool) -> Any:
    async with engine.replicate_group(name) as group:
        return await group.cycle(lambda _: None, app_consistent)


def event(number: int, **changes: Any) -> Event:
    plain = Event(id=number, at=NOW + number * SECOND, kind="machine.health", severity="info", message=f"point {number}", machine="web")
    return msgspec.structs.replace(plain, **changes)
