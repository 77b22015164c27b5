import msgspec
import pytest

from understudy.engine import Failure, Immutability
from understudy.scheduler.immutability import EACH, SOON, holding_reasons, period

DAY = 86400.0
HELD = Immutability(seconds=14 * DAY, at=1, until=2, head=5, objects=10, first_seconds=20 * DAY)
FAILED = Failure(code="store_unavailable", message="no answer", hint="", retryable=True)


@pytest.mark.parametrize(
    ("changes", "left", "told"),
    [
        ({}, 15 * DAY, []),
        ({"first_seconds": DAY}, 15 * DAY, [("locked-late", "normal")]),
        ({"wrong": ("it lies",), "until": None}, None, [("not-immutable", "critical")]),
        ({"covered": 2, "names": ("a",)}, 15 * DAY, [("covered", "critical")]),
        ({"lost": 1, "names": ("a",)}, 15 * DAY, [("lock-broken", "critical")]),
        ({"failure": FAILED}, 15 * DAY, [("locks-failed", "warning")]),
        ({"failure": FAILED}, 13 * DAY, [("locks-failed", "critical")]),
        ({"failure": FAILED, "until": None}, None, [("locks-failed", "critical")]),
    ],
)
def test_what_is_told(changes: dict[str, object], left: float | None, told: list[tuple[str, str]]) -> None:
    known = msgspec.structs.replace(HELD, **changes)
    assert [(reason.code, reason.health) for reason in holding_reasons(14 * DAY, known, left)] == told
    assert holding_reasons(0.0, known, left) == []


def test_nothing_is_told_before_the_first_turn() -> None:
    assert holding_reasons(14 * DAY, None, None) == []


def test_turns_come_sooner_where_nothing_else_locks_what_is_new() -> None:
    assert period(14 * DAY, 14 * DAY) == EACH
    assert period(13 * DAY, 14 * DAY) == SOON
