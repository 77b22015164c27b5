"""How often a log is looked at beside a machine's cycles."""

import pytest

from understudy.scheduler.looking import BILLED, counts_for


@pytest.mark.parametrize(
    ("isolation", "billed", "calm", "seconds"),
    [
        (0, False, True, 0.0),
        (0, True, False, 0.0),
        (0, True, True, BILLED),
        (60, True, True, BILLED),
        (20, True, True, 5.0),
        (5, True, True, 1.25),
        (60, True, False, 0.0),
    ],
)
def test_for_how_long_what_was_read_counts(isolation: int, billed: bool, calm: bool, seconds: float) -> None:
    assert counts_for(isolation, billed=billed, calm=calm) == seconds


def test_a_machine_is_not_paused_between_two_looks() -> None:
    assert all(counts_for(isolation, billed=True, calm=True) <= isolation / 4 for isolation in range(5, 600))
