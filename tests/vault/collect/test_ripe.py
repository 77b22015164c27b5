"""How time is counted, and what may go by it: tables."""

from pathlib import Path

import pytest

from understudy.vault import kinds
from understudy.vault.collect import witness
from understudy.vault.collect.ripe import ABANDONED, due, garbage, key_of
from understudy.vault.collect.witness import Now, Sighting, Witness, observed
from understudy.vault.log.keeping import Condemned
from understudy.vault.log.state import ClaimEntry, MachineState

LIST = kinds.ObjectRef(hash=b"l" * 32, size=100)
CONDEMNED = Condemned(5, 0, 60, LIST, frozenset({"packs/" + "aa" * 16}))
NAME = "packs/" + "bb" * 16


@pytest.mark.parametrize(
    ("moments", "seconds"),
    [
        ([("a", 10)], 0),
        ([("a", 10), ("a", 75)], 65),
        ([("a", 10), ("a", 20), ("a", 75)], 65),
        ([("a", 10), ("b", 30)], 30),
        ([("a", 10), ("a", 20), ("b", 5), ("b", 6)], 16),
        ([("a", 100), ("b", 1), ("c", 2)], 3),
        ([("a", 100), ("a", 50)], 0),
    ],
)
def test_only_time_that_certainly_passed_counts(moments: list[tuple[str, float]], seconds: float) -> None:
    seen = Witness()
    for boot, uptime in moments:
        seen = observed(seen, Now(boot, uptime), 7, ["x"])
    assert seen.sightings == {"x": Sighting(seconds=seconds, head=7)}
    assert observed(seen, Now("z", 1.0), 8, []).sightings == {}, "what is not seen any more is forgotten"


def test_this_hosts_own_clock_goes_on(tmp_path: Path) -> None:
    before, after = witness.now(), witness.now()
    assert before.boot == after.boot
    assert before.uptime <= after.uptime
    path = tmp_path / "deep" / "seen.json"
    assert witness.load(path) == Witness()
    seen = observed(Witness(), before, 3, ["x"])
    witness.save(path, seen)
    assert witness.load(path) == seen
    path.write_bytes(b"\xff{")
    assert witness.load(path) == Witness()


@pytest.mark.parametrize(("seconds", "goes"), [(59.9, False), (60.0, True)])
def test_due(seconds: float, goes: bool) -> None:
    seen = Witness(sightings={key_of(CONDEMNED): Sighting(seconds=seconds, head=5)})
    state = MachineState(id="m", condemned=(CONDEMNED,))
    assert bool(due(state, seen)) is goes
    assert not due(state, Witness()), "never seen before"


@pytest.mark.parametrize(
    ("seconds", "head", "last", "intent", "goes"),
    [
        (100, 5, 6, False, True),
        (99, 5, 6, False, False),
        (100, 6, 6, False, False),
        (100, 5, 6, True, False),
        (ABANDONED, 6, 6, False, True),
        (ABANDONED, 6, 6, True, False),
    ],
)
def test_garbage(seconds: float, head: int, last: int, intent: bool, goes: bool) -> None:
    claims = (ClaimEntry(last, 1, b"w" * 16, "here"),)
    state = MachineState(id="m", claims=claims, intent=kinds.Intent(id=b"i" * 16) if intent else None)
    seen = Witness(sightings={NAME: Sighting(seconds=seconds, head=head)})
    assert bool(garbage(state, seen, [NAME], 100)) is goes
    assert not garbage(state, Witness(), [NAME], 0), "not seen by an earlier run"
