"""The deployment planner: which interval, line and storage a machine needs, by how much it changes. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from msgspec import structs

from understudy.engine.answers import Point
from understudy.engine.profiling import RUNGS, Profiled, Spans, counted
from understudy.engine.retention import Policy
from understudy.engine.values import Value

BLOCK = 4096
"""Bytes of what is compared, and sent."""
SCANNED = 65536
"""Bytes of what is read, of a VM whose changes are tracked."""
DAY = 86400.0
MONTH = 30 * DAY
_NANOSECONDS = 1e9
_RECENT = 1000
"""Points that say how a machine's data compress."""
_WORTH = 2.0
"""A shorter interval is recommended while it sends no more than so many times what the longest does that was counted."""
_HALF_MORE = 1.5

# What a daemon asks of a bucket: `.venv/bin/python -m bench.requests`, as docs/operations.md shows it.
PUT_CHANGED, PUT_IDLE, GET_CYCLE, GET_MINUTE = 4.5, 1.0, 4.1, 8.5
PACK = 4 << 20


class Figures(Value, frozen=True):
    """What `points` of a machine's points tell. `different`: bytes that differ for each that was read; `sent`: bytes stored for each that
    differs; `initial_bytes`: what the first point stored, `interval`: seconds between two; None: not known."""

    points: int = 0
    different: float | None = None
    sent: float | None = None
    initial_bytes: int | None = None
    interval: float | None = None


class IntervalNeeds(Value, frozen=True):
    """What replicating at an interval of `seconds` takes. `changed`: bytes in a cycle as they were counted. `mean_rate`, `p95_rate`,
    `peak_rate`: bytes a second that carry the average cycle, 95 of 100 cycles, and each, before the next begins. `kept_bytes`: what stays
    by the retention policy besides the first point; None: none is set. `puts`, `gets`: a month's requests in a bucket. `carried`: whether
    the line that was given keeps up; `rpo_seconds`: the newest point's age at worst then, in 95 of 100 cycles."""

    seconds: float
    at_most: bool
    changed: Spans
    mean_rate: float
    p95_rate: float
    peak_rate: float
    day_bytes: int
    kept_bytes: int | None
    puts: int
    gets: int
    carried: bool | None = None
    rpo_seconds: float | None = None


class Needs(Value, frozen=True):
    """`recommended`: an interval in seconds; None: nothing was counted. `line`: bytes a second."""

    machine: str
    watched: Profiled | None
    figures: Figures
    policy: Policy | None
    line: float | None
    intervals: tuple[IntervalNeeds, ...]
    recommended: float | None


def needs_of(machine: str, watched: Profiled | None, points: Sequence[Point], policy: Policy | None, line: float | None) -> Needs:
    """`watched` None: what its points tell must do."""
    figures = figures_of(points)
    disks = float(sum(disk.size for disk in points[-1].disks) if points else watched.disk_bytes if watched else 0)
    spans = tuple(_shrunk(span, 1.0, disks) for span in stretched(watched.spans if watched else spans_of(points)))
    # What a watch of whole 64 KiB calls changed is cut down to what differs in it; a finer one has done so already.
    cut = figures.different if watched and watched.granularity >= SCANNED and figures.different is not None else 1.0
    factor = cut * (1.0 if figures.sent is None else figures.sent)
    curve = tuple(_shrunk(span, factor, disks * factor) for span in spans)
    intervals = tuple(_needed(span, before, curve, policy, line, disks * factor) for span, before in zip(curve, spans, strict=True))
    return Needs(
        machine=machine,
        watched=watched,
        figures=figures,
        policy=policy,
        line=line,
        intervals=intervals,
        recommended=recommended(intervals),
    )


def figures_of(points: Sequence[Point]) -> Figures:
    """`points`: a machine's, oldest first. A point that compared everything tells nothing of how it changes."""
    deltas = _deltas(points)
    scanned, changed = sum(point.scanned_blocks for point in deltas), sum(point.changed_blocks for point in deltas)
    stored = sum(point.stored_bytes for point in deltas)
    spans = [after - before for before, after in pairwise(point.frozen_at for point in deltas)]
    return Figures(
        points=len(deltas),
        different=changed / scanned if scanned else None,
        sent=stored / (changed * BLOCK) if changed else None,
        initial_bytes=next((point.stored_bytes for point in points if point.cause == "initial"), None),
        interval=median(spans) / _NANOSECONDS if spans else None,
    )


def spans_of(points: Sequence[Point]) -> tuple[Spans, ...]:
    """What differed from point to point, and at most over longer spans."""
    deltas = _deltas(points)
    if len(deltas) < 2:
        return ()
    changed = [float(point.changed_blocks * BLOCK) for point in deltas[1:]]
    interval = figures_of(points).interval
    assert interval is not None
    found = [counted(interval, changed)]
    began, ended = (point.frozen_at / _NANOSECONDS for point in (deltas[0], deltas[-1]))
    for rung in RUNGS:
        whole = int((ended - began) / rung)
        if rung > interval * 1.5 and whole:
            sums = [0.0] * whole
            for point, count in zip(deltas[1:], changed, strict=True):
                # A point tells of what was changed before it was frozen.
                number = int((point.frozen_at / _NANOSECONDS - began - interval / 2) / rung)
                if 0 <= number < whole:
                    sums[number] += count
            found.append(counted(rung, sums, at_most=True))
    return tuple(found)


def stretched(spans: Sequence[Spans]) -> tuple[Spans, ...]:
    """With those RUNGS that are longer than all that was counted: as if nothing were overwritten twice."""
    if not spans:
        return ()
    last = spans[-1]
    longer = [rung for rung in RUNGS if rung > last.seconds * 1.5]
    return (*spans, *(_times(last, rung / last.seconds) for rung in longer))


def kept_bytes(policy: Policy, interval: float, curve: Sequence[Spans], most: float) -> int:
    """What the points that the policy keeps take at most besides the first one, once it has been in force for long enough."""
    total = policy.all_for / interval * changed_in(interval, curve, most)
    for number, seconds in ((policy.hourly, 3600.0), (policy.daily, DAY), (policy.weekly, 7 * DAY), (policy.monthly, MONTH)):
        total += number * changed_in(max(seconds, interval), curve, most)
    return round(total)


def changed_in(seconds: float, curve: Sequence[Spans], most: float) -> float:
    """Bytes on average within a span of any length: `most` of them, and no more than as many shorter spans that were counted."""
    nearest = max((span for span in curve if span.seconds <= seconds * 1.001), key=lambda span: span.seconds, default=curve[0])
    return min(nearest.mean_bytes * max(seconds / nearest.seconds, 1.0), most)


def rpo_of(interval: float, sent: float, line: float) -> float:
    """The newest point's age right before the next one is there, if each cycle sends so many bytes."""
    transfer = sent / line
    return max(interval, transfer) + transfer


def recommended(intervals: Sequence[IntervalNeeds]) -> float | None:
    """The shortest that the line carries within half of it, or what gives the best RPO where there is none. Without a line: the shortest
    that does not send much more than longer ones."""
    counted_ones = [needs for needs in intervals if not needs.at_most]
    if not counted_ones:
        return None
    if counted_ones[-1].carried is not None:
        ages = {needs.seconds: needs.rpo_seconds for needs in intervals if needs.rpo_seconds is not None}
        quick = [seconds for seconds, age in ages.items() if age <= _HALF_MORE * seconds]
        return quick[0] if quick else min(ages, key=lambda seconds: ages[seconds], default=None)
    most = _WORTH * counted_ones[-1].day_bytes
    return next(needs.seconds for needs in counted_ones if needs.day_bytes <= most)


def _needed(span: Spans, before: Spans, curve: Sequence[Spans], policy: Policy | None, line: float | None, most: float) -> IntervalNeeds:
    cycles, busy = MONTH / span.seconds, 1.0 - span.idle
    carried = None if line is None else span.mean_bytes / span.seconds <= line
    packs = span.mean_bytes / PACK
    return IntervalNeeds(
        seconds=span.seconds,
        at_most=span.at_most,
        changed=before,
        mean_rate=span.mean_bytes / span.seconds,
        p95_rate=span.p95_bytes / span.seconds,
        peak_rate=span.peak_bytes / span.seconds,
        day_bytes=round(span.mean_bytes * DAY / span.seconds),
        kept_bytes=None if policy is None else kept_bytes(policy, span.seconds, curve, most),
        puts=round(cycles * (busy * PUT_CHANGED + span.idle * PUT_IDLE + packs)),
        gets=round(cycles * GET_CYCLE + MONTH / 60 * GET_MINUTE),
        carried=carried,
        rpo_seconds=rpo_of(span.seconds, span.p95_bytes, line) if line is not None and carried else None,
    )


def _shrunk(span: Spans, factor: float, most: float) -> Spans:
    """As it is sent; no more than the disks have."""
    mean, p95, peak = (min(count * factor, most) for count in (span.mean_bytes, span.p95_bytes, span.peak_bytes))
    return structs.replace(span, mean_bytes=mean, p95_bytes=p95, peak_bytes=peak)


def _times(span: Spans, ratio: float) -> Spans:
    return Spans(
        seconds=span.seconds * ratio,
        count=0,
        mean_bytes=span.mean_bytes * ratio,
        p95_bytes=span.p95_bytes * ratio,
        peak_bytes=span.peak_bytes * ratio,
        idle=0.0 if span.mean_bytes else 1.0,
        at_most=True,
    )


def _deltas(points: Sequence[Point]) -> Sequence[Point]:
    """The newest points of which each one only carried what had changed since the one before it."""
    recent = list(points[-_RECENT:])
    last = max((number for number, point in enumerate(recent) if point.cause != "delta"), default=-1)
    return recent[last + 1 :]
