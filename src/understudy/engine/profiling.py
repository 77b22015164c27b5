"""How much a machine's disks change: what is asked of a watch, and what it counts. The arithmetic is pure."""

import math
from collections.abc import Sequence

from understudy.engine.values import Value
from understudy.errors import InvalidRequest

RUNGS = (1.0, 10.0, 60.0, 300.0, 900.0, 3600.0)
"""Seconds of the spans that are told of: the intervals that machines are replicated at."""
LEAST_EVERY = 0.2
LONGEST = 31 * 86400.0


class Profile(Value, frozen=True):
    """Watch a machine's changes for so many seconds. `every`: the shortest span that is counted, in seconds."""

    machine: str
    seconds: float = 600.0
    every: float = 10.0


class Spans(Value, frozen=True):
    """Different bytes that were changed within each of `count` spans of so many seconds; what a span overwrote twice counts once in it.
    `idle`: the share of them without any change. `at_most`: not counted, but derived from shorter spans without regard to that."""

    seconds: float
    count: int
    mean_bytes: float
    p95_bytes: float
    peak_bytes: float
    idle: float
    at_most: bool = False


class Profiled(Value, frozen=True):
    """Of one watch of `seconds`. `granularity`: of a change that touches so many bytes all of them count."""

    machine: str
    seconds: float
    granularity: int
    disk_bytes: int
    spans: tuple[Spans, ...]


def checked_profile(request: Profile) -> Profile:
    """`request` if it can be done; else InvalidRequest."""
    if not LEAST_EVERY <= request.every <= request.seconds:
        raise InvalidRequest(
            f"changes cannot be counted every {request.every:g} s for {request.seconds:g} s",
            hint=f"count every {LEAST_EVERY:g} s at the most often, and watch for longer than that",
        )
    if request.seconds > LONGEST:
        raise InvalidRequest("that is more than a month", hint="an hour that is as busy as they get tells more")
    return request


def ladder(every: float, seconds: float) -> tuple[int, ...]:
    """The spans that a watch of `seconds` counts, as multiples of the shortest: itself, then RUNGS as near as they come."""
    steps = [1, *(round(rung / every) for rung in RUNGS if rung > every)]
    return tuple(step for step in dict.fromkeys(steps) if step * every <= seconds * 1.001)


def granularity_of(sizes: Sequence[int], spans: int, budget: int, finest: int, coarsest: int) -> int:
    """The finest in which a record of each disk for each span takes no more than `budget` bytes of memory; a bit each."""
    granularity = finest
    while granularity < coarsest and sum(sizes) // granularity // 8 * spans > budget:
        granularity *= 2
    return granularity


def counted(seconds: float, counts: Sequence[float], *, at_most: bool = False) -> Spans:
    """`counts`: one at least."""
    idle = sum(not count for count in counts) / len(counts)
    mean = sum(counts) / len(counts)
    return Spans(
        seconds=seconds,
        count=len(counts),
        mean_bytes=mean,
        p95_bytes=percentile(counts, 0.95),
        peak_bytes=max(counts),
        idle=idle,
        at_most=at_most,
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that so many of them do not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
