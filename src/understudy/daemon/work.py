"""What a job of each kind does: its request, made from its parameters, and the facade's answer."""

import hashlib
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Any, Protocol, TypeVar

import msgspec

from understudy import engine
from understudy.daemon.own import OwnJob
from understudy.engine.profiling import Profile, checked_profile
from understudy.engine.values import Value
from understudy.errors import InvalidRequest
from understudy.failover.drill.operation import Drills

R = TypeVar("R", bound=Value)

Work = Callable[["Doer", engine.OnProgress], Awaitable[Value]]


class ReplicateParameters(Value, frozen=True, forbid_unknown_fields=True):
    app_consistent: bool = False


class GroupParameters(Value, frozen=True, forbid_unknown_fields=True):
    group: str
    app_consistent: bool = False


class Nothing(Value, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Failovers(Protocol):
    """What a site does to be a machine's primary, or no more."""

    async def fail_over(self, request: engine.FailOver, progress: engine.OnProgress, *, again: bool = False) -> engine.FailedOver: ...

    async def change_point(self, request: engine.ChangePoint, progress: engine.OnProgress) -> engine.FailedOver: ...

    async def cancel(self, request: engine.CancelFailover, progress: engine.OnProgress, *, again: bool = False) -> engine.FailedOver: ...

    async def commit(self, request: engine.CommitFailover, progress: engine.OnProgress, *, again: bool = False) -> engine.FailedOver: ...

    async def start(self, request: engine.StartAgain, progress: engine.OnProgress) -> engine.FailedOver: ...

    async def reprotect(self, request: engine.Reprotect, progress: engine.OnProgress, *, again: bool = False) -> engine.FailedOver: ...


class Performs(Protocol):
    async def perform(self, own: OwnJob, request: engine.RunPlan) -> engine.PlanRunEntry: ...


class Doer:
    """What the work is done with. `cycle`: the next cycle of a machine that this daemon follows (its id); `own`: the job that it is."""

    own: OwnJob

    def __init__(
        self,
        facade: engine.Engine,
        cycle: Callable[[str, bool, engine.OnProgress], Awaitable[engine.Cycle]],
        failovers: Failovers,
        drills: Drills,
        plans: Performs,
    ) -> None:
        self.engine = facade
        self.cycle = cycle
        self.failovers = failovers
        self.drills = drills
        self.plans = plans

    @property
    def again(self) -> bool:
        """Whether the daemon ended while this job ran: that may have been after its work was done."""
        return self.own.job.attempts > 1

    def of(self, own: OwnJob) -> "Doer":
        """For the work of one job."""
        doer = copy(self)
        doer.own = own
        return doer


def work_of(kind: engine.JobKind, machine: str | None, parameters: dict[str, Any], job: str) -> Work:
    """`machine`: its id. `job`: its id, by which what is begun can be found when it is said again. InvalidRequest if the parameters are
    not those of such a job."""
    match kind, machine:
        case "replicate", None:
            group = _read(GroupParameters, parameters)
            return lambda doer, progress: _group_cycle(doer.engine, group, progress)
        case "replicate", str(own):
            wish = _read(ReplicateParameters, parameters)
            return lambda doer, progress: doer.cycle(own, wish.app_consistent, progress)
        case "restore", None:
            instant = _read(engine.RestoreGroup, parameters)
            return lambda doer, progress: doer.engine.restore_group(instant, progress)
        case "restore", str(own):
            restore = _read(engine.Restore, {**parameters, "machine": own})
            return lambda doer, progress: doer.engine.restore(restore, progress)
        case "verify", None:
            _read(Nothing, parameters)
            return lambda doer, progress: doer.engine.scrub(progress)
        case "verify", str(own):
            verify = _read(engine.Verify, {**parameters, "machine": own})
            return lambda doer, progress: doer.engine.verify(verify, progress)
        case "prune", str(own):
            prune = _read(engine.Prune, {**parameters, "machine": own})
            return lambda doer, _: doer.engine.prune(prune)
        case "collect", str(own):
            collect = _read(engine.Collect, {**parameters, "machine": own})
            return lambda doer, _: doer.engine.collect(collect)
        case "seed-export", str(own):
            export = _read(engine.SeedExport, {**parameters, "machine": own})
            return lambda doer, progress: doer.engine.export_seed(export, progress)
        case "failover", str(own):
            order = _read(engine.FailOver, {**parameters, "machine": own})
            return lambda doer, progress: doer.failovers.fail_over(order, progress, again=doer.again)
        case "change-point", str(own):
            change = _read(engine.ChangePoint, {**parameters, "machine": own})
            return lambda doer, progress: doer.failovers.change_point(change, progress)
        case "cancel-failover", str(own):
            back = _read(engine.CancelFailover, {**parameters, "machine": own})
            return lambda doer, progress: doer.failovers.cancel(back, progress, again=doer.again)
        case "commit-failover", str(own):
            accept = _read(engine.CommitFailover, {**parameters, "machine": own})
            return lambda doer, progress: doer.failovers.commit(accept, progress, again=doer.again)
        case "start-again", str(own):
            once_more = _read(engine.StartAgain, {**parameters, "machine": own})
            return lambda doer, progress: doer.failovers.start(once_more, progress)
        case "reprotect", str(own):
            back_again = _read(engine.Reprotect, {**parameters, "machine": own})
            return lambda doer, progress: doer.failovers.reprotect(back_again, progress, again=doer.again)
        case "follow-standby", str(own):
            follow = _read(engine.FollowStandby, {**parameters, "machine": own})
            return lambda doer, progress: doer.engine.follow_standby(follow, progress)
        case "profile", str(own):
            watch = checked_profile(_read(Profile, {**parameters, "machine": own}))
            return lambda doer, progress: doer.engine.profile(watch, progress)
        case "seed-import", None:
            seed = _read(engine.SeedImport, parameters)
            return lambda doer, progress: doer.engine.import_seed(seed, progress)
        case "test-failover", str(own):
            drill = _read(engine.StartDrill, {**parameters, "machine": own})
            engine.checked_checks(engine.checked_drill(drill).checks or (), scripts=False)
            return lambda doer, progress: doer.drills.start(drill, drill_of(job), progress)
        case "drill-cleanup", str(own):
            over = _read(engine.CleanUpDrill, {**parameters, "machine": own})
            return lambda doer, progress: doer.drills.clean_up(over, progress)
        case "plan", None:
            plan = plan_request(parameters)
            return lambda doer, _: doer.plans.perform(doer.own, plan)
    raise InvalidRequest(
        f"a {kind} job {'is' if machine else 'is not'} of one machine: that makes no sense", hint="see `understudy --help`"
    )


def drill_of(job: str) -> str:
    """The id of the test that a job begins, however often it is begun."""
    return hashlib.blake2b(job.encode(), digest_size=16).hexdigest()


def plan_request(parameters: dict[str, Any]) -> engine.RunPlan:
    """InvalidRequest if they are none."""
    return _read(engine.RunPlan, parameters)


async def _group_cycle(facade: engine.Engine, group: GroupParameters, progress: engine.OnProgress) -> Value:
    async with facade.replicate_group(group.group) as replication:
        return await replication.cycle(progress, group.app_consistent)


def _read(type_: type[R], parameters: dict[str, Any]) -> R:
    known = {field.encode_name for field in msgspec.structs.fields(type_)}
    for name in parameters:
        if name not in known:
            there = ", ".join(sorted(known - {"machine"})) or "none"
            raise InvalidRequest(f"there is no parameter {name!r} here", hint=f"there are: {there}")
    try:
        return msgspec.convert(parameters, type_)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the job's parameters are wrong: {error}") from None
