"""The Engine over a daemon's API. Long operations are jobs there, which are waited for."""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from understudy import engine
from understudy.client.channel import Channel
from understudy.client.waiting import result_of, waited_for
from understudy.engine import Job, OnProgress, Value
from understudy.engine.profiling import Profile, Profiled
from understudy.errors import Conflict

T = TypeVar("T")

OnJob = Callable[[Job | None], None]
"""Told which job is waited for, and None when that is over: who stops waiting can say how to find it again."""


class _Page(Value, frozen=True):
    items: msgspec.Raw
    next: str | None = None


class _PointsPage(engine.Points, frozen=True):
    next: str | None = None


class RemoteEngine:
    """Bound to one daemon, and so to its vault, credential and state directory."""

    def __init__(self, channel: Channel, on_job: OnJob = lambda job: None) -> None:
        self._channel = channel
        self._on_job = on_job

    async def create_vault(self, request: engine.CreateVault) -> engine.VaultInfo:
        raise Conflict("a daemon has its vault already", hint="name the new one: --vault URL")

    async def vault(self) -> engine.VaultInfo:
        return await self._channel.ask(engine.VaultInfo, "GET", "/v1/vault")

    async def keys(self) -> tuple[engine.Key, ...]:
        return await self._all(engine.Key, "/v1/keys")

    async def add_key(self, request: engine.AddKey) -> engine.Key:
        return await self._post(engine.Key, "/v1/keys", request)

    async def rotate_key(self, request: engine.RotateKey) -> engine.Key:
        return await self._post(engine.Key, f"/v1/keys/{_part(request.slot)}/rotate", {"credential": request.credential})

    async def remove_key(self, slot: str) -> engine.KeyRemoved:
        return await self._channel.ask(engine.KeyRemoved, "DELETE", f"/v1/keys/{_part(slot)}")

    async def protect(self, request: engine.Protect) -> engine.Protected:
        return await self._post(engine.Protected, "/v1/machines", request)

    async def unprotect(self, request: engine.Unprotect) -> engine.Unprotected:
        query = {"forget": "true"} if request.forget else {}
        return await self._channel.ask(engine.Unprotected, "DELETE", _machine(request.name), query=query)

    @asynccontextmanager
    async def replicate(self, machine: str) -> AsyncIterator[engine.Replication]:
        """The daemon owns the machine: a cycle is one that it makes besides those of its own."""
        yield _Replication(self, machine)

    async def pending(self, machine: str) -> int | None:
        return (await self._channel.ask(engine.MachineStatus, "GET", _machine(machine))).pending_bytes

    async def groups(self) -> tuple[engine.Group, ...]:
        return await self._all(engine.Group, "/v1/groups")

    async def create_group(self, request: engine.CreateGroup) -> engine.Group:
        return await self._post(engine.Group, "/v1/groups", request)

    async def remove_group(self, name: str) -> engine.Group:
        return await self._channel.ask(engine.Group, "DELETE", f"/v1/groups/{_part(name)}")

    @asynccontextmanager
    async def replicate_group(self, name: str) -> AsyncIterator[engine.GroupReplication]:
        yield _GroupReplication(self, name)

    async def instants(self) -> tuple[engine.Instant, ...]:
        return await self._all(engine.Instant, "/v1/instants")

    async def restore_group(self, request: engine.RestoreGroup, progress: OnProgress) -> engine.GroupRestored:
        body = _without(request, "instant")
        return await self.job(engine.GroupRestored, f"/v1/instants/{_part(request.instant)}/restore", body, progress)

    async def points(self, machine: str) -> engine.Points:
        path, older = f"{_machine(machine)}/points", tuple[engine.Point, ...]()
        page = await self._channel.ask(_PointsPage, "GET", path)
        first = page
        while page.next is not None:
            page = await self._channel.ask(_PointsPage, "GET", path, query={"next": page.next})
            older = (*page.points, *older)
        return engine.Points(machine=first.machine, points=(*older, *first.points), void=first.void, damage=first.damage)

    async def restore(self, request: engine.Restore, progress: OnProgress) -> engine.Restored:
        return await self.job(engine.Restored, f"{_machine(request.machine)}/restore", _without(request, "machine"), progress)

    async def verify(self, request: engine.Verify, progress: OnProgress) -> engine.Verified:
        return await self.job(engine.Verified, f"{_machine(request.machine)}/verify", _without(request, "machine"), progress)

    async def scrub(self, progress: OnProgress) -> engine.Verified:
        return await self.job(engine.Verified, "/v1/scrub", None, progress)

    async def collect(self, request: engine.Collect) -> engine.Collected:
        return await self.job(engine.Collected, f"{_machine(request.machine)}/collect", _without(request, "machine"))

    async def usage(self, machine: str) -> engine.Usage:
        return await self._channel.ask(engine.Usage, "GET", f"{_machine(machine)}/usage")

    async def definition(self, machine: str) -> engine.ShownDefinition:
        return await self._channel.ask(engine.ShownDefinition, "GET", f"{_machine(machine)}/definition")

    async def set_definition(self, request: engine.SetDefinition) -> engine.SetDefinition:
        body = {"text": request.text}
        return await self._channel.ask(engine.SetDefinition, "PUT", f"{_machine(request.machine)}/definition", body=body)

    async def retention(self, machine: str) -> engine.Retention:
        return await self._channel.ask(engine.Retention, "GET", f"{_machine(machine)}/retention")

    async def set_retention(self, request: engine.SetRetention) -> engine.Retention:
        return await self._channel.ask(engine.Retention, "PUT", f"{_machine(request.machine)}/retention", body=request.policy)

    async def prune(self, request: engine.Prune) -> engine.Pruned:
        return await self.job(engine.Pruned, f"{_machine(request.machine)}/prune", _without(request, "machine"))

    async def holds(self, machine: str) -> tuple[engine.Hold, ...]:
        return await self._all(engine.Hold, f"{_machine(machine)}/holds")

    async def add_hold(self, request: engine.AddHold) -> engine.Hold:
        return await self._post(engine.Hold, f"{_machine(request.machine)}/holds", _without(request, "machine"))

    async def remove_hold(self, request: engine.RemoveHold) -> engine.Hold:
        return await self._channel.ask(engine.Hold, "DELETE", f"{_machine(request.machine)}/holds/{_part(request.hold)}")

    async def plans(self) -> tuple[engine.PlanEntry, ...]:
        return await self._all(engine.PlanEntry, "/v1/plans")

    async def plan(self, name: str) -> engine.ShownPlan:
        return await self._channel.ask(engine.ShownPlan, "GET", f"/v1/plans/{_part(name)}")

    async def set_plan(self, request: engine.SetPlan) -> engine.ShownPlan:
        return await self._channel.ask(engine.ShownPlan, "PUT", f"/v1/plans/{_part(request.name)}", body={"text": request.text})

    async def remove_plan(self, name: str) -> engine.PlanEntry:
        return await self._channel.ask(engine.PlanEntry, "DELETE", f"/v1/plans/{_part(name)}")

    async def plan_reports(self) -> tuple[engine.PlanRunEntry, ...]:
        """Of runs that go on, too."""
        return (await self._all(engine.PlanRunEntry, "/v1/plan-runs"))[::-1]

    async def plan_report(self, run: str) -> engine.PlanRun:
        return await self._channel.ask(engine.PlanRun, "GET", f"/v1/plan-runs/{_part(run)}")

    async def export_seed(self, request: engine.SeedExport, progress: OnProgress) -> engine.Seeded:
        return await self.job(engine.Seeded, f"{_machine(request.machine)}/seed-export", _without(request, "machine"), progress)

    async def profile(self, request: Profile, progress: OnProgress) -> Profiled:
        return await self.job(Profiled, f"{_machine(request.machine)}/profile", _without(request, "machine"), progress)

    async def import_seed(self, request: engine.SeedImport, progress: OnProgress) -> engine.Seeded:
        return await self.job(engine.Seeded, "/v1/seed-import", request, progress)

    async def standbys(self) -> tuple[engine.Standby, ...]:
        return await self._all(engine.Standby, "/v1/standbys")

    async def standby(self, machine: str) -> engine.Standby:
        return await self._channel.ask(engine.Standby, "GET", _standby(machine))

    async def create_standby(self, request: engine.CreateStandby) -> engine.Standby:
        return await self._post(engine.Standby, _standby(request.machine), _without(request, "machine"))

    async def set_standby(self, request: engine.SetStandby) -> engine.Standby:
        return await self._channel.ask(engine.Standby, "PUT", _standby(request.machine), body=_without(request, "machine"))

    async def remove_standby(self, request: engine.RemoveStandby) -> engine.Standby:
        query = {"keep_images": "true"} if request.keep_images else {}
        return await self._channel.ask(engine.Standby, "DELETE", _standby(request.machine), query=query)

    async def follow_standby(self, request: engine.FollowStandby, progress: OnProgress) -> engine.Restored:
        return await self.job(engine.Restored, f"{_standby(request.machine)}/follow", _without(request, "machine"), progress)

    async def orphans(self, machine: str) -> tuple[engine.Orphan, ...]:
        return await self._all(engine.Orphan, f"{_machine(machine)}/orphans")

    async def drop_orphan(self, request: engine.DropOrphan) -> engine.Orphan:
        return await self._channel.ask(engine.Orphan, "DELETE", f"{_machine(request.machine)}/orphans/{_part(request.name)}")

    async def job(self, kind: type[T], path: str, body: Any, progress: OnProgress = lambda progress: None) -> T:
        """Begin the job that `path` is, wait for it, and give what it gave."""
        job = await self._post(Job, path, body)
        self._on_job(job)
        ended = await waited_for(self._channel, job, progress)
        self._on_job(None)
        return result_of(ended, kind)

    async def _post(self, kind: type[T], path: str, body: Any) -> T:
        """With a key of its own, so that what was lost on the way can be said again without being done twice."""
        return await self._channel.ask(kind, "POST", path, body=body, key=str(uuid.uuid4()))

    async def _all(self, kind: type[T], path: str) -> tuple[T, ...]:
        """A list, page by page."""
        found: tuple[T, ...] = ()
        following: str | None = None
        while True:
            page = await self._channel.ask(_Page, "GET", path, query={"limit": 1000, "next": following})
            found += await self._channel.read(page.items, tuple[kind, ...])  # type: ignore[valid-type]
            following = page.next
            if following is None:
                return found


class _Replication:
    def __init__(self, remote: RemoteEngine, machine: str) -> None:
        self._remote = remote
        self._machine = machine
        self._path = f"{_machine(machine)}/replicate"

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> engine.Cycle:
        return await self._remote.job(engine.Cycle, self._path, {"app_consistent": app_consistent}, progress)

    async def pending(self) -> int | None:
        return await self._remote.pending(self._machine)


class _GroupReplication:
    def __init__(self, remote: RemoteEngine, name: str) -> None:
        self._remote = remote
        self._path = f"/v1/groups/{_part(name)}/replicate"

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> engine.GroupCycle:
        return await self._remote.job(engine.GroupCycle, self._path, {"app_consistent": app_consistent}, progress)


def _part(text: str) -> str:
    """One part of a path, whatever stands in it."""
    return quote(text, safe="")


def _machine(machine: str) -> str:
    return f"/v1/machines/{_part(machine)}"


def _standby(machine: str) -> str:
    return f"{_machine(machine)}/standby"


def _without(request: Value, field: str) -> Mapping[str, Any]:
    """What is said in the path is not said again in the body."""
    fields: dict[str, Any] = msgspec.to_builtins(request)
    del fields[field]
    return fields
