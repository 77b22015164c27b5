"""Which points a policy keeps, and why each of them stays or goes. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from understudy.vault.kinds import Hold, Retention
from understudy.vault.maps.points import PointEntry
from understudy.vault.retention.times import HOUR, NANOSECONDS, ages, believed

DAY = 24 * HOUR
WEEK = 7 * DAY
_MONDAY = 3 * DAY
"""1970 began on a Thursday, three days after a Monday."""


class Decision(NamedTuple):
    """`reasons`: everything that keeps it, or the one thing that explains why nothing does."""

    entry: PointEntry
    keep: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What keeps points whatever the policy says. `now`: this host's clock (ns), which can only keep a point, never drop one."""

    now: int
    dropped: Collection[bytes] = ()
    head: bytes = b""
    """The point that the machine goes on from."""
    holds: Collection[Hold] = ()
    verified: Collection[bytes] = ()
    whole: Collection[bytes] = ()
    """Groups of which every member has its point."""
    wanted: Mapping[bytes, str] = field(default_factory=dict)
    """Whole groups that another machine's policy keeps: that machine's name, by group."""


class _Unit(NamedTuple):
    name: str
    number: Callable[[int], int]
    """Which hour, day, … an instant (ns) is in."""
    window: Callable[[Retention], int]


_UNITS = (
    _Unit("hour", lambda at: at // HOUR, lambda policy: policy.hourly),
    _Unit("day", lambda at: at // DAY, lambda policy: policy.daily),
    _Unit("week", lambda at: (at + _MONDAY) // WEEK, lambda policy: policy.weekly),
    _Unit(
        "month", lambda at: int(np.datetime64(at // NANOSECONDS, "s").astype("datetime64[M]").astype(int)), lambda policy: policy.monthly
    ),
)


class _Periods(NamedTuple):
    """The hours (days, …) in which points were made: of each the last one, an index; and the rank of each, 0 for the newest."""

    unit: _Unit
    newest: dict[int, int]
    rank: dict[int, int]


def decide(entries: Sequence[PointEntry], policy: Retention | None, given: Circumstances) -> tuple[Decision, ...]:
    """One decision for each point that was not dropped before. `entries` are in the order of the log; dropped ones tell of time.

    Without a policy everything stays.
    """
    times, age = believed(entries), ages(entries)
    # Without those dropped before: what was dropped can stand for nothing.
    at = [index for index, entry in enumerate(entries) if entry.point.id not in given.dropped]
    points = [entries[index] for index in at]
    if policy is None:
        return tuple(Decision(entry, True, ("no policy says otherwise",)) for entry in points)
    times, age = [times[index] for index in at], [age[index] for index in at]
    reasons: list[list[str]] = [[] for _ in points]
    _always(points, given, reasons)
    for index, entry in enumerate(points):
        if len(points) - index <= policy.least and policy.least > 1:
            reasons[index].append(f"one of the newest {policy.least}")
        if min(age[index], given.now - entry.point.frozen_at) < policy.all_for * NANOSECONDS:
            reasons[index].append("every point this young is kept")
    periods = [_periods(unit, times) for unit in _UNITS]
    for period in periods:
        for number, index in period.newest.items():
            if _within(period, number, policy, given.now, points[index]):
                reasons[index].append(f"the newest of its {period.unit.name}")
    return tuple(
        Decision(entry, True, tuple(reasons[index]))
        if reasons[index]
        else Decision(entry, False, (_why_not(policy, given.now, points, times[index], periods, index),))
        for index, entry in enumerate(points)
    )


def _always(points: Sequence[PointEntry], given: Circumstances, reasons: list[list[str]]) -> None:
    if points:
        reasons[-1].append("the newest")
    for what, those in (
        ("the machine goes on from it", [entry.point.id == given.head and entry is not points[-1] for entry in points]),
        ("the newest verified one", [entry.point.id in given.verified for entry in points]),
        ("the newest app-consistent one", [entry.point.consistency == "app" for entry in points]),
        ("of the newest whole group", [entry.point.group in given.whole for entry in points]),
    ):
        if any(those):
            reasons[len(those) - 1 - those[::-1].index(True)].append(what)
    held = {hold.point: hold.reason for hold in given.holds}
    for index, entry in enumerate(points):
        if entry.point.id in held:
            reasons[index].append(f"held: {held[entry.point.id]}")
        if entry.point.group in given.wanted:
            reasons[index].append(f"{given.wanted[entry.point.group]} keeps its point of the same group")


def _periods(unit: _Unit, times: Sequence[int]) -> _Periods:
    newest = {unit.number(at): index for index, at in enumerate(times)}
    return _Periods(unit, newest, {number: rank for rank, number in enumerate(reversed(newest))})


def _within(period: _Periods, number: int, policy: Retention, now: int, entry: PointEntry) -> bool:
    """Counted in periods that have a point: a clock that jumped ahead, or a long silence, ends none of them. And by this host's clock."""
    by_clock = period.unit.number(now) - period.unit.number(entry.point.frozen_at)
    return min(period.rank[number], by_clock) < period.unit.window(policy)


def _why_not(policy: Retention, now: int, points: Sequence[PointEntry], at: int, periods: Sequence[_Periods], index: int) -> str:
    for period in periods:
        number = period.unit.number(at)
        if _within(period, number, policy, now, points[index]):
            return f"point {points[period.newest[number]].seq} stands for its {period.unit.name}"
    return "older than everything that the policy keeps"
