import pytest

from understudy.cli import words
from understudy.engine import units
from understudy.errors import InvalidRequest


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (10 * 1024, "10 KiB"),
        (5 << 20, "5.0 MiB"),
        (3 << 40, "3.0 TiB"),
        (9 << 60, "9216 PiB"),
    ],
)
def test_sizes_have_a_binary_unit(count: int, said: str) -> None:
    assert words.size(count) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 ms"),
        (0.0124, "12 ms"),
        (0.9996, "1.0 s"),
        (3.44, "3.4 s"),
        (59.96, "1 m"),
        (310, "5 m 10 s"),
        (3599.6, "1 h"),
        (10_900, "3 h 1 m"),
        (350_000, "4 d 1 h"),
    ],
)
def test_durations_have_at_most_two_units(seconds: float, said: str) -> None:
    assert units.duration(seconds) == said


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("500ms", 0.5), ("5m", 300), ("1h30m", 5400), ("2", 2), ("1.5s", 1.5), ("1D", 86400)]
)
def test_intervals_are_read(text: str, seconds: float) -> None:
    assert units.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 s 2", "1x", "0", "0s", "nan", "1s2", "9" * 400, "1000000d"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        units.seconds_of(text)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("0h", 0), ("1ms", 1), ("1.5s", 2), ("24h", 86400)])
def test_a_span_may_be_none_at_all_but_is_never_less_than_said(text: str, seconds: int) -> None:
    assert units.span_of(text) == seconds


@pytest.mark.parametrize("text", ["", "-1s", "soon", "9" * 400])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        units.span_of(text)


def test_an_age_from_a_clock_that_stands_before_it_is_said() -> None:
    assert words.age(10_000_000_000, now=5_000_000_000) == "in the future"
    assert words.age(5_000_000_000, now=10_000_000_000) == "5.0 s ago"
