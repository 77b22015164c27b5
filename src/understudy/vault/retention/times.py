"""When points were made, as far as their own clocks can be believed. Pure.

Nothing but the points tells how old they are, and whoever made them may have had a clock that jumped. So time is counted in steps
from point to point in the order of the log, and a step back counts as none.
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median_low

from understudy.vault.maps.points import PointEntry

NANOSECONDS = 1_000_000_000
HOUR = 3600 * NANOSECONDS
LONG = 4


def believed(entries: Sequence[PointEntry]) -> list[int]:
    """Instants (ns), ascending; the last one as it is. While nothing jumps back they are the points' own."""
    return _back_from_the_last(entries, [max(step, 0) for step in _steps(entries)])


def ages(entries: Sequence[PointEntry]) -> list[int]:
    """How much younger (ns) the last one is than each.

    From one cycle to the next at most `LONG` usual steps (an hour, if that is more) count: the clock may have jumped ahead. So
    time in which nothing was replicated ages nothing either.
    """
    steps = _steps(entries)
    cycles = [later.point.parent == earlier.point.id for earlier, later in pairwise(entries)]
    usual = [step for step, cycle in zip(steps, cycles, strict=True) if cycle]
    longest = max(HOUR, LONG * median_low(usual)) if usual else HOUR
    counted = [min(max(step, 0), longest) if cycle else max(step, 0) for step, cycle in zip(steps, cycles, strict=True)]
    times = _back_from_the_last(entries, counted)
    return [times[-1] - at for at in times]


def _steps(entries: Sequence[PointEntry]) -> list[int]:
    return [later.point.frozen_at - earlier.point.frozen_at for earlier, later in pairwise(entries)]


def _back_from_the_last(entries: Sequence[PointEntry], steps: Sequence[int]) -> list[int]:
    times = [entry.point.frozen_at for entry in entries[-1:]]
    for step in reversed(steps):
        times.append(times[-1] - step)
    return times[::-1]
