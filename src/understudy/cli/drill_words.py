"""Test failovers in words."""

from understudy.cli.check_words import checked_told
from understudy.cli.output import Output
from understudy.cli.words import local_time
from understudy.engine import Drill
from understudy.engine.units import duration

FAILED = 1
"""The exit code of a test that found a machine unwell."""


def outcome(drill: Drill) -> str:
    """How it is, in a word or two."""
    if drill.state == "cleaned":
        return drill.outcome or "given up"
    return f"{drill.outcome}, {drill.state}" if drill.outcome else drill.state


def drill_told(out: Output, drill: Drill) -> None:
    style = {"passed": "bold green", "failed": "bold red"}.get(drill.outcome, "bold")
    at = f"point {drill.number}, frozen at {local_time(drill.frozen_at)} ({drill.consistency}-consistent)"
    out.say(f"test {drill.id[:8]} of {drill.machine}: {outcome(drill)}", style=style)
    out.say(f"  {at}, on {drill.site}, {drill.network}, asked for at {local_time(drill.asked_at)}")
    for step in drill.steps:
        out.say(f"  after {duration(step.seconds)}: {step.what}")
    if drill.failure is not None:
        out.say(f"  it did not start: {drill.failure.message}", style="red")
        out.say(f"  {drill.failure.hint}")
    checked_told(out, drill.checks)
    for here, guest in drill.forwards:
        out.say(f"  its port {guest} is reached at 127.0.0.1:{here}")
    for finding in drill.findings:
        out.say(f"  {finding}")
    if drill.note:
        out.say(f"  note: {drill.note}")
    if drill.state == "standing":
        ends = f"by itself at {local_time(drill.keep_until)}, or by: " if drill.keep_until is not None else "by: "
        out.say(f"  it stands, and does not count yet; it ends {ends}understudy drill cleanup {drill.machine}")
