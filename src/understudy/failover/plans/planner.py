"""What is to be done next in a run, from the run alone: no clock, no I/O."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from understudy.engine import PlanRun
from understudy.engine.plans import DONE, PlanStep, RunState
from understudy.failover.plans.steps import group_of


@dataclass(frozen=True, slots=True)
class Decision:
    """`over`: nothing is left, and this is how the run ends."""

    begin: tuple[PlanStep, ...] = ()
    running: tuple[PlanStep, ...] = ()
    asking: tuple[PlanStep, ...] = ()
    over: RunState | None = None


def decide(run: PlanRun) -> Decision:
    """Steps of one phase of one group at a time. What runs is never interrupted by what fails beside it."""
    running = tuple(step for step in run.steps if step.state == "running")
    if run.aborted is not None:
        left = () if running else tuple(_standing(run))
        return Decision(left, running, over=None if running or left else "aborted")
    asking = tuple(step for step in run.steps if step.state == "asking")
    phases = (tuple(steps) for _, steps in groupby(run.steps, _phase))
    front = next((phase for phase in phases if any(step.state not in DONE for step in phase)), None)
    if front is None:
        return Decision(over="failed" if any(_wanting(step) for step in run.steps) else "succeeded")
    halted = any(step.question == "failed" for step in asking)
    return Decision(() if halted else tuple(_beginning(run, front)), running, asking)


def _phase(step: PlanStep) -> tuple[int, str]:
    return step.group, step.phase


def _beginning(run: PlanRun, front: tuple[PlanStep, ...]) -> Iterable[PlanStep]:
    waiting = [step for step in front if step.state == "pending"]
    if front[0].phase in ("machines", "cleanup"):
        most = group_of(run.plan, front[0]).parallel or len(front)
        return waiting[: max(most - sum(step.state in ("running", "asking") for step in front), 0)]
    first = next(step for step in front if step.state not in DONE)
    return [first] if first.state == "pending" else []


def _standing(run: PlanRun) -> Iterable[PlanStep]:
    """Of an aborted test: what was started is removed all the same."""
    started = {step.machine for step in run.steps if step.phase == "machines" and step.tries}
    return (step for step in run.steps if step.phase == "cleanup" and step.state == "pending" and step.machine in started)


def _wanting(step: PlanStep) -> bool:
    """What it should have done is not done: a machine that was left out is not up, whoever decided it."""
    return step.state == "failed" or (step.state == "skipped" and step.phase == "machines")
