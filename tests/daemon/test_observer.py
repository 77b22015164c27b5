"""The load's own check must be able to fail."""

import pytest

from tests.daemon.observer import overlapping


@pytest.mark.parametrize(
    ("frozen", "ends", "found"),
    [
        ([10, 20, 30], {}, []),
        ([10, 20, 30], {0: 15, 1: 25, 2: 35}, []),
        ([10, 20, 30], {0: 21}, ["point 1"]),
        ([10, 20, 30], {0: 31}, ["point 1", "point 2"]),
        ([10, 20, 30], {1: 31}, ["point 2"]),
        ([20, 10], {}, ["point 1"]),
        ([10, 10], {}, ["point 1"]),
        ([], {}, []),
    ],
)
def test_cycles_at_once_are_found(frozen: list[int], ends: dict[int, int], found: list[str]) -> None:
    points = [{"number": number, "frozen_at": at} for number, at in enumerate(frozen)]
    assert overlapping(points, ends) == found
