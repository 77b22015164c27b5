"""Every operation in every phase, at the primary and elsewhere: allowed as the table says, else a conflict that names both."""

from typing import get_args

import pytest

from understudy.engine import FailoverOperation, FailoverPhase
from understudy.errors import Conflict
from understudy.failover.table import ALLOWED, allowed, must_be_allowed

PHASES, OPERATIONS = get_args(FailoverPhase), get_args(FailoverOperation)
CASES = [(phase, primary, operation) for phase in PHASES for primary in (True, False) for operation in OPERATIONS]


def test_the_table_knows_every_phase() -> None:
    assert set(ALLOWED) == {(phase, whose) for phase in PHASES for whose in ("primary", "other")}


@pytest.mark.parametrize(("phase", "primary", "operation"), CASES)
def test_what_is_not_allowed_is_a_conflict(phase: FailoverPhase, primary: bool, operation: FailoverOperation) -> None:
    possible = allowed(phase, primary=primary)
    if operation in possible:
        must_be_allowed(operation, "web", phase, "a", primary=primary)
        return
    with pytest.raises(Conflict) as refused:
        must_be_allowed(operation, "web", phase, "a", primary=primary)
    assert phase in refused.value.message
    assert operation in refused.value.message
    for name in possible:
        assert name in refused.value.hint
    for name in allowed(phase, primary=not primary):
        assert name in refused.value.hint


def test_nobody_but_the_primary_accepts_and_nobody_but_another_takes() -> None:
    for (phase, whose), operations in ALLOWED.items():
        for operation in ("commit", "reprotect", "change-point", "start"):
            assert operation not in operations or whose == "primary", phase
        for operation in ("planned", "unplanned"):
            assert operation not in operations or whose == "other", phase
