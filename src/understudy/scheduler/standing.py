"""How a standby is: when it is brought on, and its health. Pure."""

from understudy.engine import Failure, Health, Reason, Standby
from understudy.engine.units import count, duration
from understudy.engine.values import Value
from understudy.scheduler.health import worst
from understudy.scheduler.retry import Kind

LATE = 60.0
"""Seconds of lag that are nobody's worry, whatever the machine's interval; then it is three times what the points are apart."""


class StandbyFacts(Value, frozen=True):
    """`standby` None: it was not looked at yet. `apart`: seconds between the newest points, 0 if there are not two. `since`: for how many
    seconds the images are not at the newest point. `turned`: what the last whole comparison found and made good.
    """

    name: str
    standby: Standby | None
    apart: float = 0.0
    since: float = 0.0
    running: bool = False
    """Whether it is being brought on now."""
    failure: Failure | None = None
    kind: Kind | None = None
    failures: int = 0
    turned: str = ""
    written: str = ""
    """An image that something which is not ours has open for writing."""
    site: str = ""
    """The machine's primary."""
    runs: bool = False
    """Whether the primary has made points since that was seen first."""


def _written(facts: StandbyFacts) -> Reason:
    message = f"its standby is not brought on: a VM, or another program, has {facts.written} open for writing on this host"
    hint = f"`fuser -v {facts.written}` names it: end it, since what it writes there is lost to the machine"
    if facts.runs:
        message = f"it runs at {facts.site!r}, and perhaps here, too: a VM, or another program, has {facts.written} open for writing"
    return Reason(code="standby-written", health="critical" if facts.runs else "warning", message=message, hint=hint)


def threshold(apart: float) -> float:
    """The lag from which on health is warning."""
    return max(LATE, 3 * apart)


def standby_health(facts: StandbyFacts) -> tuple[Health, tuple[Reason, ...]]:
    """A standby is a shortcut to what the vault holds: never worse than a warning, but for a fault of ours, and for a VM that runs from it
    while the machine runs elsewhere."""
    reasons = [_written(facts)] if facts.written else []
    standby, failure = facts.standby, facts.failure
    if failure is not None and (facts.failures > 1 or facts.kind is not Kind.PASSES):
        health: Health = "critical" if facts.kind is Kind.FAULT else "warning"
        reasons.append(Reason(code="standby-failed", health=health, message=f"its standby fails: {failure.message}", hint=failure.hint))
    if facts.turned:
        hint = "the disk that the images are on, its controller or this host's memory changed what was stored: look at the kernel's log"
        reasons.append(Reason(code="standby-damage", health="warning", message=facts.turned, hint=hint))
    if standby is None:
        return worst([reason.health for reason in reasons]), tuple(reasons)
    if standby.state == "paused":
        hint = f"`understudy standby resume {facts.name}` goes on"
        reasons.append(Reason(code="standby-paused", health="warning", message="an operator has paused its standby", hint=hint))
    elif standby.state == "in-use":
        reasons.append(Reason(code="standby-in-use", health="normal", message=f"its standby is in use: {standby.used_by}"))
    elif standby.behind != 0 and facts.since > threshold(facts.apart):
        if not (standby.point or standby.came_number):
            what = "its standby is not whole yet"
        else:
            lag = f", {duration(standby.lag_seconds)}" if standby.lag_seconds else ""
            behind = count(standby.behind, "point") if standby.behind is not None else "an unknown number of points"
            what = f"its standby is {behind} behind{lag}"
        hint = "it is being brought on" if facts.running else f"`understudy standby show {facts.name}` tells what keeps it"
        reasons.append(Reason(code="standby-late", health="warning", message=what, hint=hint))
    return worst([reason.health for reason in reasons]), tuple(reasons)
