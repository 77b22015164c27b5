"""When a second vault's copy is verified again."""

import pytest

from understudy.daemon.second_prover import is_due
from understudy.local.second_proof import Proof

HOUR = 3600.0
NOW = 10**18


@pytest.mark.parametrize(
    ("hours", "damage", "every", "due"),
    [(1, "", 2, False), (2, "", 2, True), (1, "it is gone", 2, True), (9, "", 0, False), (-1, "", 2, True)],
    ids=["lately", "long ago", "damaged", "never", "by a clock that was put back since"],
)
def test_a_proof_counts_for_as_long_as_is_wished(hours: int, damage: str, every: int, due: bool) -> None:
    proof = Proof(at=NOW - round(hours * HOUR * 1e9), damage=damage)
    assert is_due(proof, every * HOUR, NOW) is due
