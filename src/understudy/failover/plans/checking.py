"""A dry run: every step, and what would keep it from being done. Changes nothing."""

from typing import Protocol

import msgspec

from understudy.engine import PlanChecked, Point, Points, RunPlan, ShownPlan, Standby
from understudy.engine.plans import PlannedStep, PlanStep, RecoveryPlan, Script
from understudy.errors import UnderstudyError
from understudy.failover.plans.operations import Readiness
from understudy.failover.plans.scripts import problems_of
from understudy.failover.plans.steps import action_of, group_of, plan_and_steps


class Look(Protocol):
    """Machines by name or id."""

    async def points(self, machine: str) -> Points: ...

    async def standby(self, machine: str) -> Standby: ...


async def checked(shown: ShownPlan, request: RunPlan, look: Look, readiness: Readiness | None) -> PlanChecked:
    plan = shown.plan
    calls = {machine: machine for group in plan.groups for machine in group.machines}
    plan, planned = plan_and_steps(plan, request, calls)
    steps = [await _checked(plan, step, request, look, readiness) for step in planned]
    problems = []
    if request.revision not in (0, shown.revision):
        problems.append(f"the plan was changed since: it was revision {request.revision}, and is {shown.revision}")
    ids: dict[str, str] = {}
    problems.extend(
        f"{ids[step.machine]} and {step.title} are the same machine"
        for step in steps
        if step.machine and ids.setdefault(step.machine, step.title) != step.title
    )
    return PlanChecked(plan=shown.name, kind=request.kind, revision=shown.revision, steps=tuple(steps), problems=tuple(problems))


async def _checked(plan: RecoveryPlan, step: PlanStep, request: RunPlan, look: Look, readiness: Readiness | None) -> PlannedStep:
    plain = PlannedStep(id=step.id, group=group_of(plan, step).name, title=step.title)
    action = action_of(plan, step)
    if isinstance(action, Script):
        return msgspec.structs.replace(plain, problems=tuple(problems_of(action)))
    return await _machine(plain, step.machine, request, look, readiness) if step.phase == "machines" else plain


async def _machine(plain: PlannedStep, name: str, request: RunPlan, look: Look, readiness: Readiness | None) -> PlannedStep:
    try:
        points = await look.points(name)
        found = [f"its log is damaged: {damage}" for damage in points.damage[:3]]
        if request.point == "latest-processed":
            point = _held(points, await look.standby(points.machine.id))
        else:
            point = _chosen(points, request)
            if point is None:
                found.append("it has no app-consistent point" if points.points else "it has no recovery point")
        if readiness is not None:
            found.extend(await readiness.check(request.kind, points.machine.id))
    except UnderstudyError as error:
        return msgspec.structs.replace(plain, machine="", problems=(error.message,))
    plain = msgspec.structs.replace(plain, machine=points.machine.id, problems=tuple(found))
    if point is None:
        return plain
    return msgspec.structs.replace(plain, point=point.id, number=point.number, frozen_at=point.frozen_at)


def _held(points: Points, standby: Standby) -> Point | None:
    """None while it is between two points: it is the later one then."""
    return next((point for point in points.points if point.id == standby.point), None)


def _chosen(points: Points, request: RunPlan) -> Point | None:
    wanted = [point for point in points.points if request.point != "latest-app" or point.consistency == "app"]
    return wanted[-1] if wanted else None
