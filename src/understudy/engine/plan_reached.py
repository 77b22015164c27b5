"""What a run of a recovery plan has reached: RPO and RTO of its machines, and the run in a line. Pure."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import get_args

from understudy.engine.plans import DONE, PlanRun, PlanRunEntry, PlanStep, RunState


def rpo_of(run: PlanRun, step: PlanStep) -> float | None:
    """Seconds between the request and the instant that the machine was brought back to."""
    return None if step.frozen_at is None else max(run.asked_at - step.frozen_at, 0) / 1e9


def rto_of(run: PlanRun, step: PlanStep) -> float | None:
    """Seconds between the request and the machine's guest running."""
    return None if step.running_at is None else max(step.running_at - run.asked_at, 0) / 1e9


def slowest_of(run: PlanRun) -> PlanStep | None:
    """That of the machine whose guest ran last."""
    return max((step for step in run.steps if step.running_at is not None), key=lambda step: step.running_at or 0, default=None)


def waited_of(run: PlanRun, step: PlanStep) -> float | None:
    """So many of the seconds of its RTO nothing was done about the machine and a person was waited for: to do what a step says, or to say
    how it goes on after a failure."""
    if step.running_at is None:
        return None
    asked = [span for other in run.steps for span in _asked(other)]
    own = [(one.began_at, one.ended_at or step.running_at) for one in step.tries]
    edges = sorted({run.asked_at, step.running_at, *(edge for span in (*asked, *own) for edge in span)})
    counts = [
        (begin, end)
        for begin, end in pairwise(edges)
        if run.asked_at <= begin and end <= step.running_at and _within(begin, asked) and not _within(begin, own)
    ]
    return sum(end - begin for begin, end in counts) / 1e9


def _asked(step: PlanStep) -> Iterator[tuple[int, int]]:
    """From when to when it waited for each answer: what only a person does since it began, all else since it had ended."""
    for answer in step.said:
        before = [one for one in step.tries if one.began_at < answer.at]
        if before:
            last = before[-1]
            ended = last.ended_at is not None and last.ended_at < answer.at
            yield (last.ended_at or 0) if ended else last.began_at, answer.at


def _within(at: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(begin <= at < end for begin, end in spans)


def entry_of(run: PlanRun) -> PlanRunEntry:
    rpos = [rpo for step in run.steps if (rpo := rpo_of(run, step)) is not None]
    slowest = slowest_of(run)
    return PlanRunEntry(
        id=run.id,
        plan=run.name,
        kind=run.kind,
        state=run.state,
        actor=run.actor,
        site=run.site,
        asked_at=run.asked_at,
        ended_at=run.ended_at,
        steps=len(run.steps),
        done=sum(step.state in DONE for step in run.steps),
        asking=tuple(step.id for step in run.steps if step.state == "asking") if run.state == "running" else (),
        worst_rpo=max(rpos, default=None),
        worst_rto=rto_of(run, slowest) if slowest is not None else None,
        worst_rto_waited=waited_of(run, slowest) if slowest is not None else None,
        reported=run.reported,
    )


def lost_entry(run: str, plan: str, outcome: str, at: int, by: str, problem: str) -> PlanRunEntry:
    """What its record alone tells of a run whose report cannot be read."""
    state: RunState = next((known for known in get_args(RunState) if known == outcome), "failed")
    return PlanRunEntry(
        id=run,
        plan=plan,
        kind=None,
        state=state,
        actor=by,
        site="",
        asked_at=at,
        ended_at=at,
        steps=0,
        done=0,
        asking=(),
        worst_rpo=None,
        worst_rto=None,
        reported=True,
        problem=problem,
    )
