"""When cycles are due, by tables."""

import pytest

from understudy.engine import ReplicationPolicy
from understudy.scheduler.pace import expected, missed, next_due, period, thresholds, too_long


@pytest.mark.parametrize(
    ("interval", "warning", "critical", "found"),
    [
        (1, 0, 0, (11, 41)),
        (60, 0, 0, (120, 300)),
        (60, 100, 0, (100, 250)),
        (60, 100, 400, (100, 400)),
        (60, 0, 90, (90, 90)),
        (3600, 0, 0, (7200, 18000)),
    ],
)
def test_thresholds_are_said_or_derived(interval: float, warning: float, critical: float, found: tuple[float, float]) -> None:
    assert thresholds(ReplicationPolicy(interval=interval, warning_rpo=warning, critical_rpo=critical)) == found


@pytest.mark.parametrize(
    ("interval", "rpo", "transfers", "length", "held"),
    [
        (60, 0, [], 60, True),
        (60, 0, [10, 10, 10], 60, True),
        (60, 0, [56], 50, True),  # 1.25 * 56 = 70 of the 120
        (60, 0, [100, 1, 1, 1], 60, True),  # only the last ones count
        (60, 70, [20], 45, True),
        (60, 70, [35], 26.25, True),
        (60, 70, [36], 25, False),
        (60, 70, [80], 0, False),  # cycle after cycle
    ],
)
def test_a_cycle_begins_early_enough_for_its_transfer(
    interval: float, rpo: float, transfers: list[float], length: float, held: bool
) -> None:
    policy = ReplicationPolicy(interval=interval, warning_rpo=rpo)
    assert period(policy, transfers) == length
    assert (too_long(policy, transfers) == 0) is held


def test_a_transfer_of_half_the_rpo_holds_it_and_a_longer_one_cannot() -> None:
    """Right before a commit the last point is one period and one transfer old."""
    policy = ReplicationPolicy(interval=60, warning_rpo=60)
    for transfer in (1, 10, 20, 26, 30):
        # A cycle cannot begin before the one before it ended.
        assert max(period(policy, [transfer]), transfer) + transfer <= 60
        assert not too_long(policy, [transfer])
    assert too_long(policy, [31]) == 31


@pytest.mark.parametrize(
    ("began", "now", "due"),
    [(None, 5, 5), (100, 100, 160), (100, 159, 160), (100, 161, 161), (100, 1000, 1000)],
)
def test_missed_turns_are_not_made_up(began: float | None, now: float, due: float) -> None:
    assert next_due(ReplicationPolicy(interval=60), [], began, now) == due


@pytest.mark.parametrize(
    ("due", "began", "length", "count"), [(10, 10, 5, 0), (10, 14.9, 5, 0), (10, 15, 5, 1), (10, 31, 5, 4), (10, 5, 5, 0), (1, 9, 0, 0)]
)
def test_missed_cycles_are_counted(due: float, began: float, length: float, count: int) -> None:
    assert missed(due, began, length) == count


def test_the_longest_of_the_last_transfers_is_expected() -> None:
    assert expected([]) == 0
    assert expected([9, 4, 2, 1]) == 5
