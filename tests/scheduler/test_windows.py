"""Windows are local times of day: midnight, weekdays and both changes of summer time."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from understudy.engine import Day, ReplicationPolicy, Window
from understudy.scheduler.windows import holds, opens_at, rate_at

BERLIN = ZoneInfo("Europe/Berlin")


def window(begin: str, end: str, rate: int = 0, *days: Day) -> Window:
    return Window(begin=begin, end=end, rate=rate, days=days)


@pytest.mark.parametrize(
    ("begin", "end", "days", "when", "inside"),
    [
        ("08:00", "18:00", (), "2026-03-02 07:59", False),
        ("08:00", "18:00", (), "2026-03-02 08:00", True),
        ("08:00", "18:00", (), "2026-03-02 17:59", True),
        ("08:00", "18:00", (), "2026-03-02 18:00", False),
        ("22:00", "06:00", (), "2026-03-02 23:00", True),
        ("22:00", "06:00", (), "2026-03-03 05:59", True),
        ("22:00", "06:00", (), "2026-03-03 06:00", False),
        ("22:00", "06:00", ("mon",), "2026-03-02 23:00", True),  # a Monday
        ("22:00", "06:00", ("mon",), "2026-03-03 05:00", True),  # Monday's night
        ("22:00", "06:00", ("mon",), "2026-03-02 05:00", False),  # Sunday's night
        ("22:00", "06:00", ("sun",), "2026-03-02 05:00", True),
        ("00:00", "24:00", ("tue",), "2026-03-03 23:59", True),
        ("00:00", "24:00", ("tue",), "2026-03-04 00:00", False),
        ("09:00", "09:00", ("tue",), "2026-03-04 08:59", True),  # a whole day
        ("09:00", "09:00", ("tue",), "2026-03-04 09:00", False),
    ],
)
def test_a_window_holds(begin: str, end: str, days: tuple[Day, ...], when: str, inside: bool) -> None:
    assert holds(window(begin, end, 0, *days), datetime.fromisoformat(when)) is inside


def test_the_lowest_rate_of_all_that_hold_counts() -> None:
    noon = datetime(2026, 3, 2, 12)
    assert rate_at(ReplicationPolicy(), noon) is None
    assert rate_at(ReplicationPolicy(rate=500), noon) == 500
    windows = (window("08:00", "18:00", 300), window("11:00", "13:00", 900))
    assert rate_at(ReplicationPolicy(rate=500, windows=windows), noon) == 300
    assert rate_at(ReplicationPolicy(windows=(window("08:00", "18:00"), *windows)), noon) == 0
    assert rate_at(ReplicationPolicy(rate=500, windows=windows), datetime(2026, 3, 2, 20)) == 500


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        ((window("08:00", "18:00"),), "2026-03-02T07:00+01:00", "2026-03-02T07:00+01:00"),
        ((window("08:00", "18:00"),), "2026-03-02T12:00+01:00", "2026-03-02T18:00+01:00"),
        ((window("22:00", "06:00"),), "2026-03-02T23:00+01:00", "2026-03-03T06:00+01:00"),
        ((window("08:00", "18:00"), window("18:00", "20:00")), "2026-03-02T12:00+01:00", "2026-03-02T20:00+01:00"),
        ((window("00:00", "24:00", 0, "sat", "sun"),), "2026-03-07T12:00+01:00", "2026-03-09T00:00+01:00"),
        # The night in which 02:00 to 03:00 does not exist, and the one in which it comes twice.
        ((window("22:00", "06:00"),), "2026-03-28T23:00+01:00", "2026-03-29T06:00+02:00"),
        ((window("22:00", "06:00"),), "2026-10-24T23:00+02:00", "2026-10-25T06:00+01:00"),
        ((window("01:00", "02:30"),), "2026-10-25T01:30+02:00", "2026-10-25T02:30+02:00"),
    ],
)
def test_when_sending_may_go_on(windows: tuple[Window, ...], now: str, opens: str) -> None:
    found = opens_at(ReplicationPolicy(windows=windows), datetime.fromisoformat(now).timestamp(), BERLIN)
    assert found is not None
    assert datetime.fromtimestamp(found, BERLIN).isoformat() == datetime.fromisoformat(opens).isoformat()


def test_a_window_in_the_hour_that_does_not_exist_ends_all_the_same() -> None:
    before = datetime.fromisoformat("2026-03-29T01:59+01:00").timestamp()
    found = opens_at(ReplicationPolicy(windows=(window("01:30", "02:30"),)), before, BERLIN)
    assert found is not None
    assert 60 <= found - before <= 3600
    assert rate_at(ReplicationPolicy(windows=(window("01:30", "02:30"),)), datetime.fromtimestamp(found, BERLIN)) != 0


def test_windows_that_are_all_week_never_open() -> None:
    assert opens_at(ReplicationPolicy(windows=(window("00:00", "24:00"),)), 1_772_000_000.0, BERLIN) is None
