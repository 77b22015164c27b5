"""A plan's dry run, and a run of it, in words."""

from understudy.cli.output import Output, columns
from understudy.cli.words import local_time
from understudy.engine import PlanChecked, PlanRun
from understudy.engine.plan_page import moment, said, seconds, took
from understudy.engine.plan_reached import rpo_of, rto_of, waited_of
from understudy.engine.plans import PlanStep
from understudy.errors import Conflict

_STYLES = {
    "succeeded": "green",
    "failed": "bold red",
    "aborted": "bold red",
    "asking": "yellow",
    "skipped": "yellow",
    "running": "cyan",
    "pending": "dim",
}
_QUESTIONS = {
    "confirm": "waits until it is confirmed",
    "failed": "failed, and waits: retry, skip or abort",
    "unknown": "was begun, and nobody knows how it ended: confirm (it was done), retry, skip or abort",
}


def safe(text: str) -> str:
    """For a terminal: what others wrote cannot speak to it."""
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


def checked_told(out: Output, found: PlanChecked) -> None:
    """Conflict if something would keep it from being done."""
    out.document(found)
    out.say(f"plan {found.plan} as {found.kind}, revision {found.revision}: nothing was changed", style="bold")
    for problem in found.problems:
        out.say(f"  {safe(problem)}", style="red")
    group = ""
    for step in found.steps:
        if step.group != group:
            group = step.group
            out.say(safe(group), style="bold")
        point = f", from point {step.number}, frozen at {local_time(step.frozen_at)}" if step.frozen_at is not None else ""
        out.say(f"  {step.id:<12} {safe(step.title)}{point}")
        for problem in step.problems:
            out.say(f"  {'':<12} {safe(problem)}", style="red")
    if not found.ready:
        raise Conflict(f"plan {found.plan} could not be run like this", hint="see above")


def run_told(out: Output, run: PlanRun, *, full: bool = False) -> None:
    """`full`: with what scripts said."""
    out.document(run)
    out.say(f"run {run.id} of plan {run.name}: {run.kind}, {run.state}", style=_STYLES[run.state])
    reason = f" ({run.reason})" if run.reason else ""
    ended = f", ended at {moment(run.ended_at)} after {took(run)}" if run.ended_at is not None else ""
    out.say(safe(f"asked for by {run.actor} at {moment(run.asked_at)}{reason}, at site {run.site}{ended}"))
    if run.aborted is not None:
        out.say(safe(said(run.aborted)), style="red")
    for number, group in enumerate(run.plan.groups, 1):
        out.say(f"{number}. {safe(group.name)}", style="bold")
        for step in run.steps:
            if step.group == number:
                _step(out, step, full)
    machines = [step for step in run.steps if step.point]
    if machines:
        table = columns("machine", "point", "frozen at", "RPO", "RTO", "of it waiting", right=("point", "RPO", "RTO", "of it waiting"))
        for step in machines:
            reached = (rpo_of(run, step), rto_of(run, step), waited_of(run, step))
            table.add_row(safe(step.title), str(step.number), moment(step.frozen_at), *map(seconds, reached))
        out.table(table)


def _step(out: Output, step: PlanStep, full: bool) -> None:
    words = _QUESTIONS.get(step.question) or {"pending": "not begun"}.get(step.state, step.state)
    last = step.tries[-1] if step.tries else None
    long = f", {took(last)}" if last is not None and last.ended_at is not None else ""
    out.say(f"  {step.id:<12} {safe(step.title)}: {words}{long}", style=_STYLES[step.state])
    for place, one in enumerate(step.tries, 1):
        which = f"try {place}: " if len(step.tries) > 1 else ""
        if one.text:
            out.say(safe(f"  {'':<12} {which}{one.text}"))
        if full and one.output.strip():
            for line in one.output.rstrip("\n").split("\n"):
                out.say(safe(f"  {'':<12} | {line}"))
    for word in step.said:
        out.say(safe(f"  {'':<12} {said(word)}"))
