"""The deployment planner's arithmetic, in tables."""

import msgspec
import pytest

from tests.cli.fake_engine import point
from understudy.engine import Point, Policy
from understudy.engine.needs import changed_in, figures_of, kept_bytes, needs_of, rpo_of, spans_of, stretched
from understudy.engine.profiling import Profiled, counted

GIB = 1 << 30
MB = 1_000_000
SECOND = 1_000_000_000


def delta(number: int, at: int, changed: int, scanned: int, stored: int, cause: str = "delta") -> Point:
    made = point(number, f"{number:032x}", at)
    return msgspec.structs.replace(made, cause=cause, changed_blocks=changed, scanned_blocks=scanned, stored_bytes=stored)


def watched(*spans, granularity: int = 4096) -> Profiled:
    return Profiled(machine="web", seconds=600.0, granularity=granularity, disk_bytes=100 * GIB, spans=spans)


STEADY = (counted(10.0, [30.0 * MB] * 60), counted(60.0, [90.0 * MB] * 10), counted(300.0, [150.0 * MB] * 2))
FIRST = delta(1, 0, 1000, 1000, 2_000_000, "initial")


def test_what_points_tell():
    points = [FIRST, delta(2, 10, 100, 400, 204_800), delta(3, 20, 100, 400, 204_800), delta(4, 32, 0, 0, 0)]
    figures = figures_of(points)
    assert (figures.points, figures.different, figures.sent, figures.initial_bytes, figures.interval) == (3, 0.25, 0.5, 2_000_000, 11.0)


@pytest.mark.parametrize("points", [[], [FIRST], [FIRST, delta(2, 10, 0, 0, 0)], [delta(5, 0, 9, 9, 9), delta(6, 9, 9, 9, 9, "resync")]])
def test_points_that_tell_nothing(points):
    figures = figures_of(points)
    assert figures.different is None
    assert figures.sent is None
    assert spans_of(points) == ()


def test_points_alone_say_what_differs_and_bound_longer_spans():
    points = [FIRST, *(delta(2 + number, 10 * number, 10, 10, 10) for number in range(13))]
    own, minute = spans_of(points)
    assert (own.seconds, own.count, own.mean_bytes, own.at_most) == (10.0, 12, 40960.0, False)
    assert (minute.seconds, minute.count, minute.mean_bytes, minute.at_most) == (60.0, 2, 6 * 40960.0, True)


def test_longer_spans_are_bounds():
    spans = stretched(STEADY)
    assert [(span.seconds, span.at_most) for span in spans] == [(10, False), (60, False), (300, False), (900, True), (3600, True)]
    assert spans[-1].mean_bytes == 12 * 150.0 * MB
    assert stretched(()) == ()


@pytest.mark.parametrize(
    ("seconds", "most", "found"),
    [(10.0, 1e12, 30.0), (30.0, 1e12, 90.0), (60.0, 1e12, 90.0), (600.0, 1e12, 300.0), (600.0, 200.0 * MB, 200.0), (5.0, 1e12, 30.0)],
)
def test_what_is_changed_in_any_time(seconds, most, found):
    assert changed_in(seconds, STEADY, most) == found * MB


@pytest.mark.parametrize(
    ("policy", "interval", "megabytes"),
    [
        (Policy(), 10.0, 0),
        (Policy(all_for=600), 10.0, 60 * 30),
        (Policy(all_for=600), 60.0, 10 * 90),
        (Policy(hourly=2), 10.0, 2 * 12 * 150),
        (Policy(daily=1), 10.0, 10_000),
        (Policy(all_for=600, hourly=2, weekly=3), 10.0, 60 * 30 + 2 * 12 * 150 + 3 * 10_000),
    ],
)
def test_what_a_policy_keeps(policy, interval, megabytes):
    assert kept_bytes(policy, interval, STEADY, 10_000.0 * MB) == megabytes * MB


@pytest.mark.parametrize(
    ("interval", "sent", "line", "seconds"), [(10.0, 100.0, 100.0, 11.0), (10.0, 0.0, 1.0, 10.0), (1.0, 500.0, 100.0, 10.0)]
)
def test_the_age_at_worst(interval, sent, line, seconds):
    assert rpo_of(interval, sent, line) == seconds


def test_the_shortest_interval_that_does_not_send_much_more():
    # 3 MB/s at 10 s, 1.5 at 60 s, 0.5 at 300 s.
    assert needs_of("web", watched(*STEADY), (), None, None).recommended == 300.0
    flat = (counted(1.0, [1.0 * MB]), counted(10.0, [8.0 * MB]), counted(60.0, [40.0 * MB]))
    assert needs_of("web", watched(*flat), (), None, None).recommended == 1.0
    idle = (counted(1.0, [0.0]), counted(10.0, [0.0]))
    assert needs_of("web", watched(*idle), (), None, None).recommended == 1.0
    assert needs_of("web", watched(), (), None, None).recommended is None


@pytest.mark.parametrize(
    ("megabytes", "recommended", "carried"),
    [
        (100.0, 10.0, [True] * 5),
        (4.0, 60.0, [True] * 5),
        (2.0, 300.0, [False, True, True, True, True]),
        (0.9, 300.0, [False, False, True, True, True]),
        (0.1, None, [False] * 5),
    ],
)
def test_a_line_chooses(megabytes, recommended, carried):
    needs = needs_of("web", watched(*STEADY), (), None, megabytes * MB)
    assert [one.carried for one in needs.intervals] == carried
    assert [one.rpo_seconds is not None for one in needs.intervals] == carried
    assert needs.recommended == recommended


def test_what_compresses_is_sent_so():
    points = [FIRST, delta(2, 10, 100, 400, 204_800)]
    fine, coarse = (needs_of("web", watched(*STEADY, granularity=size), points, Policy(all_for=60), None) for size in (4096, 65536))
    assert [one.mean_rate for one in fine.intervals[:3]] == [1.5 * MB, 0.75 * MB, 0.25 * MB]
    assert [one.mean_rate for one in coarse.intervals[:3]] == [0.375 * MB, 0.1875 * MB, 0.0625 * MB]
    assert fine.intervals[0].day_bytes == 1.5 * MB * 86400
    assert fine.intervals[0].kept_bytes == 6 * 15 * MB
    assert fine.intervals[0].changed.mean_bytes == 30 * MB


def test_requests_of_a_month():
    busy, idle = (needs_of("web", watched(counted(60.0, [count])), (), None, None).intervals[0] for count in (65536.0, 0.0))
    assert (busy.puts, busy.gets) == (round(43200 * (4.5 + 1 / 64)), round(43200 * 12.6))
    assert (idle.puts, idle.gets) == (43200, round(43200 * 12.6))
