"""How fast data may be sent now. Windows are local times of day, so they follow the clock that people see, summer time included."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import product

from understudy.engine import Day, ReplicationPolicy, Times, Window
from understudy.engine.units import minute_of

DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
UNLIMITED = None


def holds(window: Window | Times, local: datetime) -> bool:
    """Whether `local`, a local time, lies in the window. One that ends where it begins lasts a day; `days` are those on which it begins."""
    begin, end, minute = minute_of(window.begin), minute_of(window.end), local.hour * 60 + local.minute
    today, yesterday = (DAYS[day % 7] for day in (local.weekday(), local.weekday() - 1))
    crosses = end <= begin
    if minute >= begin and (crosses or minute < end):
        return not window.days or today in window.days
    if crosses and minute < end:
        return not window.days or yesterday in window.days
    return False


def rate_at(policy: ReplicationPolicy, local: datetime) -> int | None:
    """Bytes a second at this local time: the lowest of all that hold. 0: nothing is sent; None: no limit."""
    rates = [window.rate for window in policy.windows if holds(window, local)]
    if policy.rate:
        rates.append(policy.rate)
    return min(rates, default=UNLIMITED)


def opens_at(policy: ReplicationPolicy, now: float, zone: tzinfo | None) -> float | None:
    """From which wall-clock time on (seconds) something may be sent: `now`, or when the window ends that holds; None: never.

    `zone` None: this host's.
    """
    if rate_at(policy, _local(now, zone)) != 0:
        return now
    start = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    edges = _edges(policy.windows)
    for day, minute in product(range(9), edges):
        # By the clock on the wall: adding to the instant would be an hour off after a change of summer time.
        wall = start.replace(tzinfo=None) + timedelta(days=day, minutes=minute)
        at = wall.replace(tzinfo=zone).timestamp()
        if at > now and rate_at(policy, _local(at, zone)) != 0:
            return at
    return None


def _local(now: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(now, zone)


def _edges(windows: Sequence[Window]) -> list[int]:
    return sorted({minute_of(text) % _DAY for window in windows for text in (window.begin, window.end)} | {0})
