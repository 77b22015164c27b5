"""Plans and runs that tests share."""

from typing import Any

from understudy.engine import PlanRun, RunPlan
from understudy.engine.plans import Manual, PlanGroup, RecoveryPlan, Script
from understudy.failover.plans.planner import decide
from understudy.failover.plans.progress import Result, begun, ended
from understudy.failover.plans.steps import plan_and_steps

SECOND = 1_000_000_000
ASKED = 1_800_000_000 * SECOND
SCRIPT = Script(command=("/bin/true",))


def group(name: str = "a", machines: str = "", **fields: Any) -> PlanGroup:
    return PlanGroup(name=name, machines=tuple(machines.split()), **fields)


def run_of(*groups: PlanGroup, **fields: Any) -> PlanRun:
    plan = RecoveryPlan(groups=groups)
    ids = {machine: machine.encode().hex().rjust(32, "0") for one in groups for machine in one.machines}
    plain = {"id": "r1", "name": "dr", "revision": 3, "kind": "planned", "point": "latest", "reason": "", "actor": "anna", "site": "b"}
    found = plain | fields
    plan, steps = plan_and_steps(plan, RunPlan(plan="dr", kind=found["kind"], cleanup=found.pop("cleanup", False)), ids)
    return PlanRun(**found, plan=plan, asked_at=ASKED, steps=steps)


def script(**fields: Any) -> Script:
    return Script(command=("/bin/true",), **fields)


def manual(text: str = "turn the key") -> Manual:
    return Manual(text=text)


def forward(run: PlanRun) -> PlanRun:
    """All that may begin has begun."""
    while found := decide(run).begin:
        for step in found:
            run = begun(run, step.id, ASKED)
    return run


def end(run: PlanRun, *steps: str, ok: bool | None = True, **fields: Any) -> PlanRun:
    for step in steps:
        run = ended(run, step, ASKED + SECOND, Result(ok=ok, **fields))
    return run


def states(run: PlanRun) -> dict[str, str]:
    return {step.id: step.question or step.state for step in run.steps}
