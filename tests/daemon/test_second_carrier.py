"""Which machines' copies are verified, whatever copying says."""

import pytest

from understudy.daemon.second_carrier import Carried, provable
from understudy.daemon.track import failure_of
from understudy.engine import ReplicationPolicy
from understudy.errors import Conflict, Diverged, IntegrityError, NotFound, StoreUnavailable, UnderstudyError
from understudy.vault.copy.copier import Reached


@pytest.mark.parametrize(
    ("failure", "head", "expected"),
    [
        (None, None, False),
        (None, 0, False),
        (None, 7, True),
        (IntegrityError("damaged"), None, True),
        (IntegrityError("damaged"), 7, True),
        (NotFound("a side object is missing"), 7, True),
        (Diverged("promoted"), 7, False),
        (Conflict("another vault's"), 7, False),
        (StoreUnavailable("away"), 7, False),
    ],
)
def test_what_copying_trips_over_is_verified_and_what_may_be_no_copy_is_not(
    failure: UnderstudyError | None, head: int | None, expected: bool
) -> None:
    carried = Carried(ReplicationPolicy(), 0.0)
    carried.failure = failure_of(failure) if failure is not None else None
    carried.reached = Reached(head, None, 0, None) if head is not None else None
    assert provable(carried) is expected
