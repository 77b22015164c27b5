"""The steps of a plan, in their order. Pure."""

from collections.abc import Iterator, Mapping

from understudy.engine.plans import Action, Manual, PlanGroup, PlanStep, RecoveryPlan, Script


def steps_of(plan: RecoveryPlan, ids: Mapping[str, str]) -> tuple[PlanStep, ...]:
    """`ids`: each machine's id by what the plan calls it. A step's id is its place, such as `2.pre.1`; it may name a file."""
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
