"""How a machine is replicated: when, how fast, and what is too late."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

from understudy.engine.units import minute_of
from understudy.engine.values import Value
from understudy.errors import InvalidRequest

Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Window(Value, frozen=True):
    """On these days (empty: all), from one local time of day to another ("22:00" to "06:00" crosses midnight), data is sent no faster than
    `rate` bytes a second; 0: not at all."""

    begin: str
    end: str
    rate: int
    days: tuple[Day, ...] = ()


class Times(Value, frozen=True):
    """On these days (empty: all), from one local time of day to another ("22:00" to "06:00" crosses midnight)."""

    begin: str
    end: str
    days: tuple[Day, ...] = ()


class ReplicationPolicy(Value, frozen=True):
    """A machine's policy. Durations in seconds, rates in bytes a second.

    warning_rpo, critical_rpo: ages of the newest point at which a machine's health is Warning or Critical; 0: derived from `interval`.
    app_every: every Nth point is app-consistent; 0: none. rate: 0 is unlimited; the host's own limit holds beside it.
    initial_at: wall-clock ns before which the initial replication does not begin; None: now.
    verify_every: the newest point is proven by its digest when the newest verified one is older; 0: never.
    drill_every: a copy of the newest point is started on this host, and removed, when the last test is older; 0: never by itself.
    drill_times: only then does such a test begin; None: whenever. drill_warning: age of the last test from which on health is Warning, 0:
    never. second: the place of a copy of the vault (an address), to which the machine's points are brought; empty: none.
    immutable: whatever kept points need is locked in the store for so long at any time; 0: it is not.
    """

    interval: float = 60.0
    warning_rpo: float = 0.0
    critical_rpo: float = 0.0
    app_every: int = 0
    rate: int = 0
    windows: tuple[Window, ...] = ()
    initial_at: int | None = None
    verify_every: float = 86400.0
    drill_every: float = 0.0
    drill_times: Times | None = None
    drill_warning: float = 90 * 86400.0
    second: str = ""
    immutable: float = 0.0
    paused: bool = False
    """No cycles, by an operator's wish."""


SHORTEST = 1.0
LONGEST = 30 * 86400.0
DAY = 86400.0
LONGEST_LOCK = 3650 * DAY


def checked_policy(policy: ReplicationPolicy) -> ReplicationPolicy:
    """`policy` if it can be meant; else InvalidRequest, with the first of its mistakes."""
    for _, mistake in mistakes_in(policy):
        raise mistake
    return policy


def mistakes_in(policy: ReplicationPolicy) -> Iterator[tuple[str, InvalidRequest]]:
    """All that cannot be meant, with the name of the field: of a window's or of times', after a dot."""
    if not SHORTEST <= policy.interval <= LONGEST:
        yield "interval", InvalidRequest(f"an interval of {policy.interval:g} s is not possible", hint="intervals are from 1 s to 30 days")
    for field in _NEVER_NEGATIVE:
        if getattr(policy, field) < 0:
            hint = "0 derives an RPO from the interval, and switches the rest off"
            yield field, InvalidRequest("a policy has no negative numbers", hint=hint)
    warning, critical = policy.warning_rpo, policy.critical_rpo
    if warning and critical and critical < warning:
        message = f"a critical RPO of {critical:g} s is less than the warning RPO of {warning:g} s"
        yield "critical_rpo", InvalidRequest(message, hint="take one that is not less, or 0: derived from the interval")
    if warning and warning < policy.interval:
        message = f"an RPO of {warning:g} s cannot be held with a cycle each {policy.interval:g} s"
        yield "warning_rpo", InvalidRequest(message, hint="take an interval of at most half of it")
    if policy.immutable > 0 and not DAY <= policy.immutable <= LONGEST_LOCK:
        message = f"points cannot be immutable for {policy.immutable:g} s"
        yield "immutable", InvalidRequest(message, hint="from 1 day to 10 years, or 0: they are not; nobody can end a lock")
    for window in policy.windows:
        yield from _mistakes_of("windows", window)
        if window.rate < 0:
            yield "windows.rate", InvalidRequest("a rate cannot be negative", hint="0: nothing is sent in the window")
    if policy.drill_times:
        yield from _mistakes_of("drill_times", policy.drill_times)


_NEVER_NEGATIVE = ("warning_rpo", "critical_rpo", "verify_every", "drill_every", "drill_warning", "rate", "app_every", "immutable")


def _mistakes_of(field: str, span: Times | Window) -> Iterator[tuple[str, InvalidRequest]]:
    for end, text in (("begin", span.begin), ("end", span.end)):
        try:
            minute = minute_of(text)
        except InvalidRequest as error:
            yield f"{field}.{end}", error
        else:
            if end == "begin" and minute == 24 * 60:
                yield f"{field}.begin", InvalidRequest("a window cannot begin at 24:00", hint="write 00:00")
