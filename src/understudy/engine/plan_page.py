"""A run of a recovery plan as a page: for whoever must show what was done, on a screen or on paper. It needs nothing but itself. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape

from understudy.engine.plan_reached import rpo_of, rto_of, slowest_of, waited_of
from understudy.engine.plans import PlanRun, PlanStep, Said, Try
from understudy.engine.units import duration

STYLE = """
:root { --ground: #fff; --text: #1b2530; --quiet: #586474; --line: #d5dbe2; --tint: #f4f6f8;
  --good: #22703f; --bad: #b3261e; --asks: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ground: #11161c; --text: #e2e8ef; --quiet: #9aa7b6; --line: #2b3641; --tint: #19212a;
  --good: #74c893; --bad: #ff8f85; --asks: #e5b454; } }
@media print { :root { --ground: #fff; --text: #000; --quiet: #444; --line: #999; --tint: #fff; --good: #000; --bad: #000; --asks: #000; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; break-after: avoid; }
p { margin: .25rem 0; } .quiet { color: var(--quiet); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.5rem; margin: 1rem 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; } thead th { border-top: 0; color: var(--quiet); font-weight: 500; }
tr { break-inside: avoid; } .number { text-align: right; white-space: nowrap; }
pre { margin: .35rem 0; padding: .5rem .75rem; background: var(--tint); border: 1px solid var(--line); border-radius: 6px;
  font: .85em/1.45 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.succeeded { color: var(--good); } .failed, .aborted { color: var(--bad); } .asking, .running, .skipped { color: var(--asks); }
"""

_PHASES = {"delay": "delay", "pre": "before", "machines": "machine", "post": "after", "cleanup": "removed"}
_SAID = {"confirm": "confirmed by", "retry": "to be tried again, said", "skip": "left out by", "abort": "aborted by"}


def page_of(run: PlanRun) -> str:
    """HTML. Everything that somebody wrote stands in it as text."""
    title = f"Recovery plan {run.name}: {run.kind}, {run.state}"
    body = "".join(_body(run))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, '
        f'initial-scale=1">\n<meta name="color-scheme" content="light dark">\n<title>{_text(title)}</title>\n<style>{STYLE}</style>\n'
        f"</head>\n<body>\n{body}</body>\n</html>\n"
    )


def moment(at: int | None) -> str:
    """An instant in UTC: a report is read elsewhere, too."""
    if at is None:
        return "-"
    try:
        return f"{datetime.fromtimestamp(at / 1e9, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return "no time"


def took(one: Try | PlanRun) -> str:
    """From its beginning to its end."""
    began = one.began_at if isinstance(one, Try) else one.asked_at
    return "-" if one.ended_at is None else duration(max(one.ended_at - began, 0) / 1e9)


def said(one: Said) -> str:
    """Who said what, in words."""
    note = f": {one.note}" if one.note else ""
    return f"{_SAID[one.reply]} {one.actor}, {moment(one.at)}{note}"


def seconds(value: float | None) -> str:
    return "-" if value is None else duration(value)


def reached(rto: float | None, waited: float | None) -> str:
    """An RTO, and how much of it was not the machine's."""
    return f"{seconds(rto)}, {duration(waited)} of it waiting for a person" if waited else seconds(rto)


def _body(run: PlanRun) -> Iterator[str]:
    yield f"<h1>Recovery plan {_text(run.name)}</h1>\n"
    if run.plan.description:
        yield f'<p class="quiet">{_text(run.plan.description)}</p>\n'
    yield "<dl>" + "".join(f"<dt>{_text(name)}</dt><dd{kind}>{_text(value)}</dd>\n" for name, value, kind in _facts(run)) + "</dl>\n"
    machines = [step for step in run.steps if step.phase == "machines"]
    if machines:
        yield "<h2>Machines</h2>\n<table>\n<thead><tr><th>Machine</th><th>Group</th><th>Outcome</th><th>Point</th>"
        yield '<th class="number">RPO</th><th class="number">RTO</th>'
        yield '<th class="number">of it waiting for a person</th></tr></thead>\n<tbody>\n'
        yield from (_machine(run, step) for step in machines)
        yield "</tbody>\n</table>\n"
    for number, group in enumerate(run.plan.groups, 1):
        yield f"<h2>{number}. {_text(group.name)}</h2>\n<table>\n<thead><tr><th>Step</th><th>What</th><th>Outcome</th><th>Began</th>"
        yield '<th class="number">Took</th></tr></thead>\n<tbody>\n'
        yield from (_step(step) for step in run.steps if step.group == number)
        yield "</tbody>\n</table>\n"


def _facts(run: PlanRun) -> Iterator[tuple[str, str, str]]:
    yield "Outcome", run.state, f' class="{run.state}"'
    yield "Kind", f"{run.kind}, from the {run.point} point", ""
    yield "Asked for by", run.actor, ""
    if run.reason:
        yield "Reason", run.reason, ""
    yield "At site", run.site, ""
    yield "Asked at", moment(run.asked_at), ""
    yield "Ended at", f"{moment(run.ended_at)}, after {took(run)}" if run.ended_at is not None else "it goes on", ""
    if run.aborted is not None:
        yield "Aborted", said(run.aborted), ""
    rpos, slowest = [rpo for step in run.steps if (rpo := rpo_of(run, step)) is not None], slowest_of(run)
    yield "Worst RPO reached", seconds(max(rpos, default=None)), ""
    yield "Worst RTO reached", reached(rto_of(run, slowest), waited_of(run, slowest)) if slowest is not None else "-", ""
    ended = sum(step.state == "succeeded" for step in run.steps)
    yield "Steps", f"{ended} of {len(run.steps)} succeeded", ""
    yield "Run", f"{run.id}, revision {run.revision} of the plan", ""


def _machine(run: PlanRun, step: PlanStep) -> str:
    group = run.plan.groups[step.group - 1].name
    point = f"{step.number}, frozen at {moment(step.frozen_at)}" if step.point else "-"
    cells = f"<td>{_text(step.title)}</td><td>{_text(group)}</td>{_outcome(step)}<td>{_text(point)}</td>"
    reached = (rpo_of(run, step), rto_of(run, step), waited_of(run, step))
    numbers = "".join(f'<td class="number">{seconds(value)}</td>' for value in reached)
    return f"<tr>{cells}{numbers}</tr>\n"


def _step(step: PlanStep) -> str:
    last = step.tries[-1] if step.tries else None
    more = "".join(_try(number, one, len(step.tries)) for number, one in enumerate(step.tries, 1))
    more += "".join(f"<p>{_text(said(one))}</p>" for one in step.said)
    what = f"<td>{_text(step.title)}{more}</td>"
    began = f"<td>{moment(step.tries[0].began_at) if step.tries else '-'}</td>"
    ids = f'<td title="{_text(step.id)}">{_PHASES[step.phase]}</td>'
    return f'<tr>{ids}{what}{_outcome(step)}{began}<td class="number">{took(last) if last else "-"}</td></tr>\n'


def _try(number: int, one: Try, of: int) -> str:
    which = f"try {number}: " if of > 1 else ""
    words = one.text or (one.outcome if of > 1 else "")
    text = f'<p class="quiet">{_text(which + words)}</p>' if words else ""
    return text + (f"<pre>{_text(one.output)}</pre>" if one.output.strip() else "")


def _outcome(step: PlanStep) -> str:
    words = {"asking": "waits for a person", "pending": "not done"}.get(step.state, step.state)
    return f'<td class="{step.state}">{words}</td>'


def _text(text: str) -> str:
    """With marks where something stands that neither a screen nor a printer shows."""
    return escape("".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text))
