from datetime import datetime, timedelta

import msgspec
import pytest

from tests.cli.fake_engine import FIRST_FREEZE, SECOND, point
from understudy.cli.selecting import select, split
from understudy.errors import InvalidRequest, NotFound

POINTS = [point(3, "aa11"), point(4, "aa22", 60), point(1234, "bb33", 120)]
FIRST = datetime.fromtimestamp(FIRST_FREEZE / SECOND).astimezone()


def local(seconds: float, form: str = "%Y-%m-%dT%H:%M:%S") -> str:
    return (FIRST + timedelta(seconds=seconds)).strftime(form)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("latest", 1234),
        ("3", 3),
        ("1234", 1234),
        ("aa11", 3),
        ("AA22", 4),
        ("bb33" + "0" * 28, 1234),
        (local(60), 4),
        (local(119), 4),
        (local(61.5, "%Y-%m-%d %H:%M:%S.%f"), 4),
        (local(60, "%Y-%m-%dT%H:%M:%S%z"), 4),
        (local(86400 * 300, "%Y-%m-%d"), 1234),
    ],
)
def test_a_point_is_found(text: str, number: int) -> None:
    assert select("web", POINTS, text).number == number


def test_a_point_frozen_within_the_named_second_is_at_it() -> None:
    within = [point(3, "aa11"), msgspec.structs.replace(point(4, "aa22"), frozen_at=FIRST_FREEZE + SECOND // 2)]
    assert select("web", within, local(0)).number == 4


def test_of_a_clock_that_went_back_the_newest_freeze_counts() -> None:
    assert select("web", [point(3, "aa11", 60), point(4, "aa22")], local(60)).number == 3


@pytest.mark.parametrize("text", ["aa", "5", "cafe", "yesterday", "LATEST", "", "٣", "9" * 5000, local(-1)])
def test_what_names_no_point_is_said(text: str) -> None:
    with pytest.raises(NotFound) as caught:
        select("web", POINTS, text)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["2026-13-01", "2026-11-20T25:00"])
def test_what_looks_like_a_time_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        select("web", POINTS, text)


def test_an_ambiguous_id_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="2 points"):
        select("web", [point(3, "aabb1"), point(4, "aabb2")], "aabb")


def test_a_machine_without_points_says_how_to_make_one() -> None:
    with pytest.raises(NotFound) as caught:
        select("web", [], "latest")
    assert "replicate web" in caught.value.hint


def test_a_name_and_a_point_are_split() -> None:
    assert split("web") == ("web", "latest")
    assert split("web@2026-11-20 10:00") == ("web", "2026-11-20 10:00")
    for text in ("", "@3", "web@"):
        with pytest.raises(InvalidRequest):
            split(text)
