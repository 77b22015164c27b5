"""What happens to a run: each function gives the run as it is afterwards. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from understudy.engine import AnswerStep, PlanRun
from understudy.engine.plans import Manual, PlanStep, Question, Reply, RunState, Said, Script, Try
from understudy.errors import Conflict, NotFound
from understudy.failover.plans.steps import action_of, group_of

MOST_REPEATS = 3
"""A script that was begun so often, and never heard to end, may be what brings its host down: a person is asked."""
REPLIES: dict[Question, tuple[Reply, ...]] = {
    "": (),
    "confirm": ("confirm", "skip"),
    "failed": ("retry", "skip"),
    "unknown": ("confirm", "retry", "skip"),
}


@dataclass(frozen=True, slots=True)
class Result:
    """How a step ended; `ok` None: nobody knows. The rest is of machines: the point, and when its guest ran (ns)."""

    ok: bool | None
    text: str = ""
    output: str = ""
    ended_at: int | None = None
    point: str = ""
    number: int = 0
    frozen_at: int | None = None
    running_at: int | None = None


def begun(run: PlanRun, id_: str, at: int) -> PlanRun:
    step = step_of(run, id_)
    asks = isinstance(action_of(run.plan, step), Manual)
    return _with(
        run,
        step,
        state="asking" if asks else "running",
        question="confirm" if asks else "",
        tries=(*step.tries, Try(began_at=at)),
        job="",
    )


def followed(run: PlanRun, id_: str, job: str) -> PlanRun:
    """The job that does it is known."""
    step = step_of(run, id_)
    tries = (*step.tries[:-1], msgspec.structs.replace(step.tries[-1], job=job))
    return _with(run, step, job=job, tries=tries)


def ended(run: PlanRun, id_: str, at: int, result: Result) -> PlanRun:
    step = step_of(run, id_)
    outcome = "unknown" if result.ok is None else "succeeded" if result.ok else "failed"
    last = msgspec.structs.replace(step.tries[-1], ended_at=result.ended_at or at, outcome=outcome, text=result.text, output=result.output)
    tries = (*step.tries[:-1], last)
    told: dict[str, Any] = {"tries": tries}
    if result.point:
        told |= {"point": result.point, "number": result.number, "frozen_at": result.frozen_at, "running_at": result.running_at}
    if result.ok:
        return _with(run, step, state="succeeded", **told)
    if run.aborted is not None:
        return _with(run, step, state="failed", **told)
    if result.ok is None:
        action = action_of(run.plan, step)
        lost = sum(one.outcome == "unknown" for one in tries)
        if isinstance(action, Script) and action.repeat == "yes" and lost < MOST_REPEATS:
            return _with(run, step, state="pending", **told)
        return _with(run, step, state="asking", question="unknown", **told)
    if group_of(run.plan, step).on_failure == "continue":
        return _with(run, step, state="failed", **told)
    return _with(run, step, state="asking", question="failed", **told)


def answered(run: PlanRun, answer: AnswerStep, actor: str, at: int) -> PlanRun:
    """`Conflict` names what may be said instead."""
    said = Said(reply=answer.reply, actor=actor, at=at, note=answer.note)
    if run.state != "running" or run.aborted is not None:
        raise Conflict(f"this run {'is being aborted' if run.state == 'running' else 'has ' + run.state}", hint="its report tells how")
    if answer.reply == "abort":
        steps = tuple(_left(step) for step in run.steps)
        return msgspec.structs.replace(run, aborted=said, steps=steps)
    step = _asked(run, answer.step)
    if answer.reply not in REPLIES[step.question]:
        may = ", ".join((*REPLIES[step.question], "abort"))
        raise Conflict(f"step {step.id} does not ask to {answer.reply}", hint=f"there it may be: {may}")
    heard: dict[str, Any] = {"question": "", "said": (*step.said, said)}
    match answer.reply:
        case "confirm":
            last = msgspec.structs.replace(step.tries[-1], ended_at=at, outcome="succeeded")
            if step.question == "unknown":
                last = step.tries[-1]
            return _with(run, step, state="succeeded", tries=(*step.tries[:-1], last), **heard)
        case "retry":
            return _with(run, step, state="pending", **heard)
        case _:
            return _left_standing(_with(run, step, state="skipped", tries=_closed(step, at), **heard), step)


def over(run: PlanRun, state: RunState, at: int) -> PlanRun:
    return msgspec.structs.replace(run, state=state, ended_at=at)


def step_of(run: PlanRun, id_: str) -> PlanStep:
    found = next((step for step in run.steps if step.id == id_), None)
    if found is None:
        raise NotFound(f"this run has no step {id_!r}", hint=f"its steps: {', '.join(step.id for step in run.steps)[:400]}")
    return found


def _asked(run: PlanRun, id_: str) -> PlanStep:
    asking = [step for step in run.steps if step.state == "asking"]
    if id_:
        step = step_of(run, id_)
        if step not in asking:
            asks = f"what asks is {', '.join(one.id for one in asking)}" if asking else "no step asks now"
            raise Conflict(f"step {id_} is {step.state}: it asks nothing", hint=asks)
        return step
    if len(asking) == 1:
        return asking[0]
    if not asking:
        raise Conflict("no step of this run asks anything now", hint="`understudy plan status` shows how far it is")
    raise Conflict(f"{len(asking)} steps ask", hint=f"say which: {', '.join(step.id for step in asking)}")


def _left(step: PlanStep) -> PlanStep:
    """A step of a run that is aborted. What runs comes to its end."""
    if step.state != "asking":
        return step
    failed = step.question in ("failed", "unknown")
    return msgspec.structs.replace(step, state="failed" if failed else "skipped", question="")


def _left_standing(run: PlanRun, step: PlanStep) -> PlanRun:
    """What a test started stays where the question before its removal is left out."""
    if step.phase != "pre":
        return run
    steps = (
        msgspec.structs.replace(one, state="skipped") if (one.group, one.phase) == (step.group, "cleanup") else one for one in run.steps
    )
    return msgspec.structs.replace(run, steps=tuple(steps))


def _closed(step: PlanStep, at: int) -> tuple[Try, ...]:
    if not step.tries or step.tries[-1].ended_at is not None:
        return step.tries
    return (*step.tries[:-1], msgspec.structs.replace(step.tries[-1], ended_at=at))


def _with(run: PlanRun, step: PlanStep, **fields: Any) -> PlanRun:
    fields = {"question": "", **fields}
    changed = msgspec.structs.replace(step, **fields)
    return msgspec.structs.replace(run, steps=tuple(changed if one.id == step.id else one for one in run.steps))
