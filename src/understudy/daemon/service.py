"""What the API may ask of the daemon."""

import asyncio
import platform
import resource
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from understudy import __version__
from understudy import engine as facade
from understudy.daemon.asked import command_of, whose
from understudy.daemon.pulse import LAG_TOLD
from understudy.daemon.running import Running
from understudy.daemon.work import plan_request
from understudy.engine import (
    AnswerStep,
    Event,
    EventQuery,
    Job,
    JobQuery,
    MachineStatus,
    PlanChecked,
    PlanRun,
    PlanRunEntry,
    Reason,
    ReplicationPolicy,
    RunPlan,
    ServiceHealth,
    StartJob,
    VaultInfo,
)
from understudy.engine.units import count
from understudy.errors import NotFound
from understudy.jobs.events import Draft
from understudy.scheduler.health import worst

_LIBRARIES = ("msgspec", "aiohttp", "numpy", "lz4", "xxhash", "pynacl", "qemu.qmp")


class DaemonService:
    """Implements `engine.Service`."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon

    @property
    def engine(self) -> facade.Engine:
        return self._daemon.engine

    async def health(self) -> ServiceHealth:
        condition = self._daemon.condition
        reasons = self._reasons()
        return ServiceHealth(
            health=worst([reason.health for reason in reasons]),
            reasons=tuple(reasons),
            version=__version__,
            site=condition.config.site,
            vault=condition.config.vault.url,
            vault_id=condition.vault_id,
            started_at=condition.started_at,
            now=time.time_ns(),
            machines=len(self._daemon.machines),
            running_cycles=self._daemon.slots.running,
            running_jobs=self._daemon.runner.running,
            loop_lag_seconds=self._daemon.pulse.lag,
            tasks=len(asyncio.all_tasks()),
            resident_bytes=_resident(),
            libraries=_libraries(),
            place=condition.place,
        )

    async def vault(self) -> VaultInfo:
        return await self._daemon.engine.vault()

    async def statuses(self) -> tuple[MachineStatus, ...]:
        return self._daemon.standbys.joined([self._daemon.seconds.with_second(track.status()) for track in self._daemon.machines.tracks])

    async def status(self, machine: str) -> MachineStatus:
        id_ = await self._id_of(machine)
        try:
            status = self._daemon.seconds.with_second(self._daemon.machines.find(id_).track.status())
            return self._daemon.standbys.with_standby(status)
        except NotFound:
            standing = self._daemon.standbys.status(id_)
            if standing is None:
                raise
            return standing

    async def set_policy(self, machine: str, policy: ReplicationPolicy, actor: str) -> ReplicationPolicy:
        facade.checked_policy(policy)
        track = self._daemon.machines.find(await self._id_of(machine)).track
        before = track.policy
        if policy.second != before.second:
            await self._daemon.seconds.must_be_possible(policy.second)
        await self._daemon.machines.set_policy(track.id, policy)
        changed = [name for name, value in msgspec.structs.asdict(policy).items() if value != getattr(before, name)]
        values = ", ".join(name for name in changed if name != "paused")
        told = [f"{values} changed"] if values else []
        if "paused" in changed:
            told.append("replication is paused" if policy.paused else "replication goes on")
        message = f"the policy of {track.name} was set: {'; '.join(told) or 'nothing changed'}"
        self._daemon.journal.tell("policy.set", "info", message, machine=track.id, actor=actor, data=msgspec.to_builtins(policy))
        return policy

    async def authority(self, machine: str) -> facade.Authority:
        return await self._daemon.failing_over.authority(machine)

    async def drop_run(self, machine: str, run: str, actor: str) -> facade.Authority:
        shown = await self._daemon.failing_over.drop_run(machine, run)
        self._daemon.journal.tell(
            "failover.dropped", "info", f"{shown.machine}: what run {run} wrote was dropped", machine=shown.id, actor=actor
        )
        return shown

    async def set_isolation(self, machine: str, seconds: int, actor: str) -> facade.Authority:
        shown = await self._daemon.failing_over.set_isolation(machine, seconds)
        message = f"{shown.machine} is paused after {seconds} s without the vault" if seconds else f"{shown.machine} is not isolated"
        self._daemon.journal.tell("isolation.set", "info", message, machine=shown.id, actor=actor, data={"seconds": seconds})
        return shown

    async def networks(self, machine: str) -> facade.ShownNetworks:
        return await self._daemon.stand_in.networks(machine)

    async def set_networks(self, machine: str, own: facade.MachineNetworks | None, actor: str) -> facade.ShownNetworks:
        return await self._daemon.stand_in.set_networks(machine, own, actor)

    async def check(self, machine: str, actor: str) -> facade.Readiness:
        return await self._daemon.stand_in.check(machine, actor)

    async def readiness(self, machine: str) -> facade.Readiness:
        return await self._daemon.stand_in.readiness(machine)

    async def checks(self, machine: str) -> facade.Checks:
        return await self._daemon.drilling.checks(machine)

    async def set_checks(self, machine: str, checks: tuple[facade.Check, ...] | None, actor: str) -> facade.Checks:
        return await self._daemon.drilling.set_checks(machine, checks, actor)

    async def drills(self, machine: str | None) -> tuple[facade.Drill, ...]:
        return await self._daemon.drilling.all(machine)

    async def drill(self, drill: str) -> facade.Drill:
        return await self._daemon.drilling.one(drill)

    async def evidence(self, drill: str) -> facade.Evidence:
        return await self._daemon.drilling.evidence(drill)

    async def start(self, request: StartJob) -> Job:
        machine = await self._id_of(request.machine) if request.machine is not None else None
        if request.kind == "replicate" and machine is not None:
            self._daemon.machines.find(machine)
        if request.kind == "plan" and machine is None:
            await self._daemon.plans.must_be_possible(plan_request(request.parameters))
        return await self._daemon.runner.start(request, machine)

    async def jobs(self, query: JobQuery) -> tuple[Job, ...]:
        if query.machine is not None:
            query = msgspec.structs.replace(query, machine=await self._id_of(query.machine))
        return tuple(self._daemon.runner.live(job) for job in await self._daemon.journal.jobs(query))

    async def job(self, job: str) -> Job:
        return self._daemon.runner.live(await self._daemon.journal.job(job))

    async def cancel(self, job: str, actor: str) -> Job:
        return await self._daemon.runner.cancel(job, actor)

    async def check_plan(self, request: RunPlan) -> PlanChecked:
        return await self._daemon.plans.check(request)

    async def plan_runs(self) -> tuple[PlanRunEntry, ...]:
        return await self._daemon.plans.runs()

    async def plan_run(self, run: str) -> PlanRun:
        return await self._daemon.plans.run(run)

    async def answer_plan(self, run: str, answer: AnswerStep, actor: str) -> PlanRun:
        return await self._daemon.plans.answer(run, answer, actor)

    async def events(self, query: EventQuery) -> tuple[Event, ...]:
        if query.machine is not None:
            query = msgspec.structs.replace(query, machine=await self._id_of(query.machine))
        return await self._daemon.journal.events(query)

    def follow(self, after: int | None) -> AsyncIterator[Event | Job]:
        return self._daemon.journal.follow(after)

    async def audit(self, actor: str, action: str, data: dict[str, Any]) -> None:
        about, machine = whose(data), None
        with suppress(NotFound):
            track = self._daemon.machines.find(str(data.get("machine", ""))).track
            machine, about = track.id, track.name
        message = f"{command_of(action, data)} {about}".rstrip()
        told = {"operation": action, **data}
        draft = Draft(kind="request", severity="info", message=message, machine=machine, actor=actor, data=told)
        await self._daemon.journal.told(draft)

    def names(self) -> Sequence[str]:
        return [status.name for status in self._daemon.standbys.joined([track.status() for track in self._daemon.machines.tracks])]

    async def _id_of(self, machine: str) -> str:
        """Also of machines that only the vault knows."""
        try:
            return self._daemon.machines.find(machine).track.id
        except NotFound:
            return await self._daemon.engine.id_of(machine)

    def _reasons(self) -> list[Reason]:
        reasons = [*self._daemon.readiness.reasons(time.time_ns()), *self._daemon.runs_here.reasons]
        vault = self._daemon.condition.vault
        if vault is not None:
            reasons.append(Reason(code=vault.code, health="critical", message=vault.message, hint=vault.hint))
        if self._daemon.condition.unread:
            machines = count(self._daemon.condition.unread, "machine")
            message = f"replication of {machines} of this host stands still: not listed, as the vault was not read since it started"
            hint = "it goes on by itself when the vault can be reached"
            reasons.append(Reason(code="unread", health="critical", message=message, hint=hint))
        for error in self._daemon.condition.tests:
            message = f"a test failover of this host is not known any more: {error.message}"
            reasons.append(Reason(code="drill", health="warning", message=message, hint=error.hint))
        if self._daemon.condition.reload:
            hint = "correct the file and reload again: `understudy check-config` reads it"
            message = f"the configuration was not reloaded: {self._daemon.condition.reload}"
            reasons.append(Reason(code="config", health="warning", message=message, hint=hint))
        if self._daemon.condition.restart:
            message = f"what was changed of {self._daemon.condition.restart} in the configuration holds after a restart of the daemon"
            reasons.append(Reason(code="restart", health="warning", message=message, hint="systemctl restart understudy"))
        if self._daemon.condition.fault:
            message = f"a fault in understudy, in its upkeep: {self._daemon.condition.fault}"
            reasons.append(Reason(code="fault", health="critical", message=message, hint="the log has the traceback; it goes on by itself"))
        if self._daemon.journal.failed:
            hint = "free space in the state directory; what happens meanwhile is in the log"
            reasons.append(
                Reason(code="jobs", health="warning", message=f"jobs and events cannot be kept: {self._daemon.journal.failed}", hint=hint)
            )
        if self._daemon.pulse.lag > LAG_TOLD:
            message = f"the daemon's loop was {self._daemon.pulse.lag:.1f} s late in the last minute"
            reasons.append(Reason(code="late", health="warning", message=message, hint="this host has too little time or memory"))
        return reasons


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


@cache
def _libraries() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
