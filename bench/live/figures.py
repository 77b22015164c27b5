"""What a live run measured, and what follows from the guest's own counts."""

from collections.abc import Sequence
from itertools import accumulate

import msgspec

BIN = 64
"""As in writes.c: times below so many microseconds are counted one by one, those above in as many steps for each doubling."""


class Window(msgspec.Struct, frozen=True):
    """A second of the guest's: writes, the slowest in microseconds, how many ms it was late by.

    `took`: numbers of bins, and writes in each.
    """

    writes: int
    most: int
    late: int
    took: tuple[tuple[int, int], ...] = ()


class Latency(msgspec.Struct, frozen=True):
    """Microseconds, of all writes together. `rate`: bytes a second that were reached."""

    p50: float
    p99: float
    most: float
    rate: float


class Row(msgspec.Struct, frozen=True):
    """`every`: seconds from one point to the next. `cycle`, `slowest`: seconds of the middle and of the slowest.

    `rpo`: seconds of what was to be lost at worst.
    """

    size: int
    wanted: int
    every: int
    accelerator: str
    alone: Latency
    followed: Latency
    cycles: int
    cycle: float
    slowest: float
    rpo: float
    stored: int


def latency_of(windows: Sequence[Window], length: int, seconds: int) -> Latency:
    """Of writes of `length` bytes, in windows of so many seconds."""
    counts: dict[int, int] = {}
    for window in windows:
        for number, count in window.took:
            counts[number] = counts.get(number, 0) + count
    total = sum(window.writes for window in windows)
    return Latency(
        p50=quantile(counts, 0.5),
        p99=quantile(counts, 0.99),
        most=max((window.most for window in windows), default=0),
        rate=total * length / (len(windows) * seconds) if windows else 0.0,
    )


def quantile(counts: dict[int, int], share: float) -> float:
    """The time below which that share of the writes is; within a bin they count as spread evenly. 0 without any."""
    bins = sorted(counts)
    wanted = share * sum(counts.values())
    for number, reached in zip(bins, accumulate(counts[number] for number in bins), strict=True):
        if reached >= wanted and reached:
            low, width = _bounds(number)
            return low + width * (wanted - (reached - counts[number])) / counts[number]
    return 0.0


def _bounds(number: int) -> tuple[int, int]:
    doublings = max(number // BIN - 1, 0)
    return (number - BIN * doublings) << doublings, 1 << doublings
