"""How a machine is replicated: when, how fast, and what is too late."""

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
    """`policy` if it can be meant; else InvalidRequest."""
    if not SHORTEST <= policy.interval <= LONGEST:
        raise InvalidRequest(f"an interval of {policy.interval:g} s is not possible", hint="intervals are from 1 s to 30 days")
    warning, critical = policy.warning_rpo, policy.critical_rpo
    if (
        min(
            warning,
            critical,
            policy.verify_every,
            policy.drill_every,
            policy.drill_warning,
            policy.rate,
            policy.app_every,
            policy.immutable,
        )
        < 0
    ):
        raise InvalidRequest("a policy has no negative numbers", hint="0 derives an RPO from the interval, and switches the rest off")
    if warning and critical and critical < warning:
        message = f"a critical RPO of {critical:g} s is less than the warning RPO of {warning:g} s"
        raise InvalidRequest(message, hint="take one that is not less, or 0: derived from the interval")
    if warning and warning < policy.interval:
        raise InvalidRequest(
            f"an RPO of {warning:g} s cannot be held with a cycle each {policy.interval:g} s",
            hint="take an interval of at most half of it",
        )
    if policy.immutable and not DAY <= policy.immutable <= LONGEST_LOCK:
        raise InvalidRequest(
            f"points cannot be immutable for {policy.immutable:g} s",
            hint="from 1 day to 10 years, or 0: they are not; nobody can end a lock",
        )
    spans: list[Times | Window] = [*policy.windows, *([policy.drill_times] if policy.drill_times else [])]
    for span in spans:
        if minute_of(span.begin) == 24 * 60:
            raise InvalidRequest("a window cannot begin at 24:00", hint="write 00:00")
        minute_of(span.end)
    for window in policy.windows:
        if window.rate < 0:
            raise InvalidRequest("a rate cannot be negative", hint="0: nothing is sent in the window")
    return policy
