"""What each error of the family means for a machine."""

import inspect

import pytest

from understudy import errors
from understudy.errors import Busy, Fenced, SecondWriter, SourceBusy, SourceUnavailable, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.scheduler.retry import LONGEST, RARELY, Kind, judge


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StoreUnavailable("x"), Kind.PASSES),
        (SourceUnavailable("x"), Kind.PASSES),
        (SourceBusy("x"), Kind.PASSES),
        (Busy("x"), Kind.BUSY),
        (StoreRefused("x"), Kind.PERSON),
        (errors.SourceRefused("x"), Kind.PERSON),
        (errors.RolledBack("x"), Kind.PERSON),
        (errors.AccessDenied("x"), Kind.PERSON),
        (Fenced("x"), Kind.OVER),
        (SecondWriter("x"), Kind.OVER),
        (ValueError("x"), Kind.FAULT),
        (AssertionError("x"), Kind.FAULT),
    ],
)
def test_kinds(error: Exception, kind: Kind) -> None:
    assert judge(error, 1, 0.0).kind is kind


def test_every_error_has_a_verdict_and_only_a_fence_ends_the_tries() -> None:
    family = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, UnderstudyError)]
    assert len(family) > 15
    for type_ in family:
        for failures in (1, 5, 1000):
            seconds = judge(type_("x"), failures, 0.5).seconds
            assert (seconds is None) == issubclass(type_, Fenced | SecondWriter)
            assert seconds is None or 0 < seconds <= RARELY


def test_tries_become_rarer_up_to_a_bound_and_are_spread() -> None:
    waits = [judge(StoreUnavailable("x"), failures, 0.999).seconds or 0 for failures in range(1, 12)]
    assert waits == sorted(waits)
    assert waits[-1] <= LONGEST
    assert (judge(StoreUnavailable("x"), 9, 0.0).seconds or 0) == LONGEST / 2
