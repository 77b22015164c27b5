"""The steps of a plan, in their order. Pure."""

from collections.abc import Iterator, Mapping

import msgspec

from understudy.engine import RunPlan
from understudy.engine.plans import Action, Manual, PlanGroup, PlanStep, RecoveryPlan, Script

LOOK = "Look at the copies that were started: confirmed, they are removed; skipped, they are left standing"


def plan_and_steps(plan: RecoveryPlan, request: RunPlan, ids: Mapping[str, str]) -> tuple[RecoveryPlan, tuple[PlanStep, ...]]:
    """What a run does. `ids`: each machine's id by what the plan calls it. A step's id is its place, such as `2.pre.1`; it may name a file.

    A test leaves nothing standing of its own accord: its last group removes what it has started.
    """
    if request.kind != "test" or not any(group.machines for group in plan.groups):
        return plan, steps_of(plan, ids)
    last = PlanGroup(name="clean-up", pre=() if request.cleanup else (Manual(text=LOOK),))
    longer = msgspec.structs.replace(plan, groups=(*plan.groups, last))
    machines = [step for step in steps_of(plan, ids) if step.phase == "machines"]
    number = len(longer.groups)
    removed = (
        PlanStep(id=f"{number}.cleanup.{place}", group=number, phase="cleanup", title=step.title, machine=step.machine)
        for place, step in enumerate(machines, 1)
    )
    return longer, (*steps_of(longer, ids), *removed)


def steps_of(plan: RecoveryPlan, ids: Mapping[str, str]) -> tuple[PlanStep, ...]:
    """Those that the plan itself names."""
    return tuple(step for number, group in enumerate(plan.groups, 1) for step in _of(number, group, ids))


def _of(number: int, group: PlanGroup, ids: Mapping[str, str]) -> Iterator[PlanStep]:
    if group.delay_seconds:
        yield PlanStep(id=f"{number}.delay", group=number, phase="delay", title=f"wait {group.delay_seconds:g} s")
    for place, action in enumerate(group.pre, 1):
        yield PlanStep(id=f"{number}.pre.{place}", group=number, phase="pre", title=_title(action))
    for place, machine in enumerate(group.machines, 1):
        yield PlanStep(id=f"{number}.machine.{place}", group=number, phase="machines", title=machine, machine=ids[machine])
    for place, action in enumerate(group.post, 1):
        yield PlanStep(id=f"{number}.post.{place}", group=number, phase="post", title=_title(action))


def group_of(plan: RecoveryPlan, step: PlanStep) -> PlanGroup:
    return plan.groups[step.group - 1]


def action_of(plan: RecoveryPlan, step: PlanStep) -> Action | None:
    """What an action's step does; None for a delay or a machine."""
    group = group_of(plan, step)
    actions = {"pre": group.pre, "post": group.post}.get(step.phase)
    return actions[int(step.id.rpartition(".")[2]) - 1] if actions is not None else None


def _title(action: Action) -> str:
    match action:
        case Script(command=command):
            return " ".join(command)
        case Manual(text=text):
            return text
