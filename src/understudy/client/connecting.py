"""Reaching a daemon, and all that it offers beyond the Engine."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import msgspec

from understudy.client.channel import Channel
from understudy.client.engine import OnJob, RemoteEngine
from understudy.client.events import items
from understudy.client.waiting import waited_for
from understudy.engine import (
    AnswerStep,
    Authority,
    CancelFailover,
    ChangePoint,
    Check,
    Checks,
    CleanUpDrill,
    CommitFailover,
    Drill,
    Event,
    EventQuery,
    Evidence,
    FailedOver,
    FailOver,
    Job,
    JobQuery,
    MachineNetworks,
    MachineStatus,
    OnProgress,
    PlanChecked,
    PlanRun,
    Readiness,
    ReplicationPolicy,
    Reprotect,
    RunPlan,
    ServiceHealth,
    ShownNetworks,
    StartAgain,
    StartDrill,
    Value,
)

# A little longer than any route takes, so that it is the daemon who says what took too long.
_TIMEOUT = aiohttp.ClientTimeout(total=330, sock_connect=10)


FailoverRequest: TypeAlias = FailOver | ChangePoint | CancelFailover | CommitFailover | StartAgain | Reprotect


class _Names(Value, frozen=True):
    machines: tuple[str, ...]


class _Machines(Value, frozen=True):
    items: tuple[MachineStatus, ...]
    next: str | None = None


class _Jobs(Value, frozen=True):
    items: tuple[Job, ...]
    next: str | None = None


class _Drills(Value, frozen=True):
    items: tuple[Drill, ...]
    next: str | None = None


class _Events(Value, frozen=True):
    items: tuple[Event, ...]
    next: str | None = None


class RemoteService:
    """What of a Service a client may ask for. The actor is whom the daemon takes this process for."""

    def __init__(self, channel: Channel, on_job: OnJob) -> None:
        self._channel = channel
        self.engine = RemoteEngine(channel, on_job)

    async def health(self) -> ServiceHealth:
        return await self._channel.ask(ServiceHealth, "GET", "/v1/health")

    async def names(self) -> tuple[str, ...]:
        return (await self._channel.ask(_Names, "GET", "/v1/names")).machines

    async def statuses(self) -> tuple[MachineStatus, ...]:
        found: tuple[MachineStatus, ...] = ()
        following: str | None = None
        while True:
            page = await self._channel.ask(_Machines, "GET", "/v1/machines", query={"limit": 1000, "next": following})
            found += page.items
            following = page.next
            if following is None:
                return found

    async def status(self, machine: str) -> MachineStatus:
        return await self._channel.ask(MachineStatus, "GET", _machine(machine))

    async def set_policy(self, machine: str, policy: ReplicationPolicy) -> ReplicationPolicy:
        return await self._channel.ask(ReplicationPolicy, "PUT", f"{_machine(machine)}/policy", body=policy)

    async def authority(self, machine: str) -> Authority:
        return await self._channel.ask(Authority, "GET", f"{_machine(machine)}/failover")

    async def drop_run(self, machine: str, run: str) -> Authority:
        return await self._channel.ask(Authority, "DELETE", f"{_machine(machine)}/runs/{quote(run, safe='')}")

    async def set_isolation(self, machine: str, seconds: int) -> Authority:
        return await self._channel.ask(Authority, "PUT", f"{_machine(machine)}/isolation", body={"seconds": seconds})

    async def fail_over(self, request: FailOver, progress: OnProgress) -> FailedOver:
        return await self._failed_over("failover", request, progress)

    async def change_point(self, request: ChangePoint, progress: OnProgress) -> FailedOver:
        return await self._failed_over("failover/change-point", request, progress)

    async def cancel_failover(self, request: CancelFailover, progress: OnProgress) -> FailedOver:
        return await self._failed_over("failover/cancel", request, progress)

    async def commit_failover(self, request: CommitFailover, progress: OnProgress) -> FailedOver:
        return await self._failed_over("failover/commit", request, progress)

    async def start_again(self, request: StartAgain, progress: OnProgress) -> FailedOver:
        return await self._failed_over("failover/start", request, progress)

    async def reprotect(self, request: Reprotect, progress: OnProgress) -> FailedOver:
        return await self._failed_over("reprotect", request, progress)

    async def _failed_over(self, path: str, request: FailoverRequest, progress: OnProgress) -> FailedOver:
        fields: dict[str, Any] = msgspec.to_builtins(request)
        path = f"{_machine(fields.pop('machine'))}/{path}"
        return await self.engine.job(FailedOver, path, fields or None, progress)

    async def networks(self, machine: str) -> ShownNetworks:
        return await self._channel.ask(ShownNetworks, "GET", f"{_machine(machine)}/networks")

    async def set_networks(self, machine: str, own: MachineNetworks | None) -> ShownNetworks:
        method = "DELETE" if own is None else "PUT"
        return await self._channel.ask(ShownNetworks, method, f"{_machine(machine)}/networks", body=own)

    async def check(self, machine: str) -> Readiness:
        return await self._channel.ask(Readiness, "POST", f"{_machine(machine)}/check")

    async def readiness(self, machine: str) -> Readiness:
        return await self._channel.ask(Readiness, "GET", f"{_machine(machine)}/check")

    async def checks(self, machine: str) -> Checks:
        return await self._channel.ask(Checks, "GET", f"{_machine(machine)}/checks")

    async def set_checks(self, machine: str, checks: tuple[Check, ...] | None) -> Checks:
        body = None if checks is None else {"checks": checks}
        return await self._channel.ask(Checks, "DELETE" if checks is None else "PUT", f"{_machine(machine)}/checks", body=body)

    async def drills(self, machine: str | None) -> tuple[Drill, ...]:
        return (await self._channel.ask(_Drills, "GET", "/v1/drills", query={"machine": machine, "limit": 1000})).items

    async def drill(self, drill: str) -> Drill:
        return await self._channel.ask(Drill, "GET", f"/v1/drills/{quote(drill, safe='')}")

    async def evidence(self, drill: str) -> Evidence:
        return await self._channel.ask(Evidence, "GET", f"/v1/drills/{quote(drill, safe='')}/evidence")

    async def test_failover(self, request: StartDrill, progress: OnProgress) -> Drill:
        return await self.engine.job(Drill, f"{_machine(request.machine)}/test-failover", _without_machine(request), progress)

    async def clean_up_drill(self, request: CleanUpDrill, progress: OnProgress) -> Drill:
        return await self.engine.job(Drill, f"{_machine(request.machine)}/drill-cleanup", _without_machine(request), progress)

    async def check_plan(self, request: RunPlan) -> PlanChecked:
        return await self._channel.ask(PlanChecked, "POST", f"/v1/plans/{quote(request.plan, safe='')}/check", body=_checked_body(request))

    async def run_plan(self, request: RunPlan) -> Job:
        body = {**_checked_body(request), "reason": request.reason}
        return await self._channel.ask(Job, "POST", f"/v1/plans/{quote(request.plan, safe='')}/run", body=body, key=str(uuid4()))

    async def plan_run(self, run: str) -> PlanRun:
        return await self._channel.ask(PlanRun, "GET", f"/v1/plan-runs/{quote(run, safe='')}")

    async def answer_plan(self, run: str, answer: AnswerStep) -> PlanRun:
        body = {"step": answer.step, "note": answer.note}
        return await self._channel.ask(PlanRun, "POST", f"/v1/plan-runs/{quote(run, safe='')}/{answer.reply}", body=body, key=str(uuid4()))

    async def jobs(self, query: JobQuery) -> tuple[Job, ...]:
        asked = {"limit": query.limit, "next": query.before, "machine": query.machine}
        path = "/v1/jobs" + "".join(f"{'&' if place else '?'}state={state}" for place, state in enumerate(query.states))
        return (await self._channel.ask(_Jobs, "GET", path, query=asked)).items

    async def job(self, job: str) -> Job:
        return await self._channel.ask(Job, "GET", f"/v1/jobs/{quote(job, safe='')}")

    async def cancel(self, job: str) -> Job:
        return await self._channel.ask(Job, "POST", f"/v1/jobs/{quote(job, safe='')}/cancel")

    async def waited_for(self, job: Job, progress: OnProgress) -> Job:
        """The job when it has ended."""
        return await waited_for(self._channel, job, progress)

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        asked = {"limit": query.limit, "after": query.after, "machine": query.machine}
        named = [f"kind={quote(kind, safe='')}" for kind in query.kinds] + [f"without={quote(kind, safe='')}" for kind in query.without]
        path = f"/v1/events?{'&'.join(named)}" if named else "/v1/events"
        return (await self._channel.ask(_Events, "GET", path, query=asked)).items

    async def follow(self, after: int | None) -> AsyncGenerator[Event | Job, None]:
        """Until the daemon ends it, which is no error, or the connection breaks, which is one."""
        async with self._channel.stream("/v1/stream", query={}, last=after) as lines:
            async for item in items(lines):
                yield item


def _without_machine(request: Value) -> dict[str, object]:
    """What is said in the path is not said again in the body."""
    fields: dict[str, object] = msgspec.to_builtins(request)
    del fields["machine"]
    return fields


def _machine(machine: str) -> str:
    return f"/v1/machines/{quote(machine, safe='')}"


@asynccontextmanager
async def open_service(socket: str, on_job: OnJob = lambda job: None) -> AsyncIterator[RemoteService]:
    """The daemon at a unix socket. Nothing is sent yet."""
    connector = aiohttp.UnixConnector(path=socket)
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, read_bufsize=1 << 21) as session:
        yield RemoteService(Channel(session, socket), on_job)


def _checked_body(request: RunPlan) -> dict[str, object]:
    """An older daemon knows no clean-up, and is asked for one only where it is wanted."""
    body: dict[str, object] = {"kind": request.kind, "point": request.point, "revision": request.revision}
    return {**body, "cleanup": True} if request.cleanup else body
