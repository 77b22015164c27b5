"""Whether points are as immutable as a policy wants, and when that is looked after next. Pure."""

from understudy.engine import Immutability, Reason
from understudy.engine.units import count, duration

EACH = 3600.0
"""Seconds between two turns."""
SOON = 600.0
"""The same where nothing but a turn locks what is new."""


def period(first_seconds: float, seconds: float) -> float:
    """`first_seconds`: for how long the store locks what is new by itself. `seconds`: what the policy wants."""
    return EACH if first_seconds >= seconds else SOON


def holding_reasons(seconds: float, known: Immutability | None, left: float | None) -> list[Reason]:
    """`seconds`: what the policy wants, 0: nothing. `left`: for how long all is locked at least, from now on."""
    if not seconds or known is None:
        return []
    reasons = [
        Reason(code="not-immutable", health="critical", message=f"its points are not immutable: {wrong}", hint=known.hint)
        for wrong in known.wrong
    ]
    if known.covered:
        message = f"somebody deleted or overwrote {count(known.covered, 'locked object')}, such as {known.names[-1]}"
        hint = "find out who, and take their credentials away; `understudy vault uncover` brings back what is locked"
        reasons.append(Reason(code="covered", health="critical", message=message, hint=hint))
    if known.lost:
        message = f"{count(known.lost, 'object')} that was locked is gone, such as {known.names[0]}"
        hint = "the store's locks do not hold: restore it from a copy, and use another store"
        reasons.append(Reason(code="lock-broken", health="critical", message=message, hint=hint))
    if known.failure is not None and not known.wrong:
        short = left is None or left < seconds
        held = f"; all is locked for {duration(left)} yet" if left else ""
        message = f"locks could not be renewed: {known.failure.message}{held}"
        reasons.append(Reason(code="locks-failed", health="critical" if short else "warning", message=message, hint=known.failure.hint))
    elif not reasons and known.first_seconds < seconds:
        message = f"what is new is locked by the next turn only, within {duration(SOON)}"
        hint = f"a default retention of the bucket, of {duration(seconds)} or more in compliance mode, holds it from the first moment"
        reasons.append(Reason(code="locked-late", health="normal", message=message, hint=hint))
    return reasons
