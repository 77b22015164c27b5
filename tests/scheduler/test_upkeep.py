"""Which care is next."""

import itertools

from understudy.scheduler.upkeep import DRILL_TRY, VERIFY_TRY, Care, Kept, due, first_turn

CARE = Care(points=3, operator=True, retention=True, verify_every=86400, verified_age=10)
LONG_AGO = Kept(-1e6, -1e6, -1e6, -1e6)


def test_pruning_is_followed_by_collecting_and_both_come_once_in_a_round() -> None:
    kind, kept = due(CARE, LONG_AGO, 3600, 0)
    assert kind == "prune"
    kind, kept = due(CARE, kept, 3600, 5)
    assert kind == "collect"
    kind, kept = due(CARE, kept, 3600, 10)
    assert kind is None
    assert due(CARE, kept, 3600, 3600)[0] == "prune"


def test_a_sources_key_neither_prunes_nor_verifies() -> None:
    assert due(CARE._replace(operator=False, verified_age=None), LONG_AGO, 3600, 0) == (None, LONG_AGO)


def test_without_a_policy_everything_stays() -> None:
    assert due(CARE._replace(retention=False), LONG_AGO, 3600, 0)[0] is None


def test_the_newest_point_is_proven_when_the_last_proof_is_old() -> None:
    care = CARE._replace(retention=False)
    assert due(care._replace(verified_age=None), LONG_AGO, 3600, 0)[0] == "verify"
    assert due(care._replace(verified_age=86401), LONG_AGO, 3600, 0)[0] == "verify"
    assert due(care._replace(verified_age=None, verify_every=0), LONG_AGO, 3600, 0)[0] is None
    assert due(care._replace(verified_age=None, points=0), LONG_AGO, 3600, 0)[0] is None


def test_a_verification_that_fails_is_not_begun_again_at_once() -> None:
    care = CARE._replace(retention=False, verified_age=None)
    _, kept = due(care, LONG_AGO, 3600, 0)
    assert due(care, kept, 3600, VERIFY_TRY - 1)[0] is None
    assert due(care, kept, 3600, VERIFY_TRY)[0] == "verify"


def test_a_copy_is_tested_when_the_last_test_is_old() -> None:
    care = CARE._replace(retention=False, drill_every=86400.0)
    assert due(care, LONG_AGO, 3600, 0)[0] == "test-failover"
    assert due(care._replace(drilled_age=86401.0), LONG_AGO, 3600, 0)[0] == "test-failover"
    assert due(care._replace(drilled_age=86399.0), LONG_AGO, 3600, 0)[0] is None
    assert due(care._replace(drill_every=0.0), LONG_AGO, 3600, 0)[0] is None
    assert due(care._replace(drill_now=False), LONG_AGO, 3600, 0)[0] is None
    assert due(care._replace(operator=False), LONG_AGO, 3600, 0)[0] is None
    # One that fails is not begun again at once.
    _, kept = due(care, LONG_AGO, 3600, 0)
    assert due(care, kept, 3600, DRILL_TRY - 1)[0] is None
    assert due(care, kept, 3600, DRILL_TRY)[0] == "test-failover"


def test_machines_do_not_all_come_at_once() -> None:
    turns = sorted(3600 + first_turn(f"{i:032x}", 3600, 0).pruned for i in range(100))
    assert turns[0] >= 0
    assert all(after - before < 400 for before, after in itertools.pairwise(turns))
