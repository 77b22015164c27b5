"""How far a log may be trimmed: a table."""

from collections.abc import Sequence

import pytest

from tests.vault.worlds import a_point
from understudy.errors import Conflict
from understudy.vault import kinds
from understudy.vault.collect.ripe import due_trim, key_of_trim
from understudy.vault.collect.steadfast import Moved
from understudy.vault.collect.trimming import TAIL, Tail, for_trim, reach
from understudy.vault.collect.witness import Sighting, Witness
from understudy.vault.log.keeping import Condemned
from understudy.vault.log.state import MachineState
from understudy.vault.log.trim_state import Trimmed
from understudy.vault.maps.points import Dropped, PointEntry

REF = kinds.ObjectRef(hash=b"r" * 32, size=1)
POINTS = tuple(
    PointEntry(seq, a_point(seq.to_bytes(16, "big"), (seq - 10).to_bytes(16, "big") if seq > 10 else b"")) for seq in range(10, 200, 10)
)
NEWEST = 190


def a_trim(seq: int, up_to: int, grace: int = 60) -> Trimmed:
    return Trimmed(seq, 0, up_to, bytes(32), kinds.ObjectRef(hash=seq.to_bytes(32, "big"), size=1), grace)


def a_state(**more: object) -> MachineState:
    return MachineState(id="m", **{"points": POINTS, "entries": POINTS, **more})  # type: ignore[arg-type]


CONDEMNED = (Condemned(50, 0, 60, REF, frozenset({"packs/a"})), Condemned(70, 0, 60, REF, frozenset({"packs/b", "objects/c"})))


@pytest.mark.parametrize(
    ("state", "head", "present", "pinned", "last"),
    [
        (a_state(), 200, (), (), 180),
        (a_state(), 1000, (), (), NEWEST - 1),
        (a_state(), 20, (), (), 0),
        (a_state(), 29, (), (), 0),
        (a_state(), 31, (), (), 11),
        (a_state(), 200, (), (120, 90), 89),
        (a_state(condemned=CONDEMNED), 200, (), (), 180),
        (a_state(condemned=CONDEMNED), 200, ("packs/x",), (), 180),
        (a_state(condemned=CONDEMNED), 200, ("packs/b",), (), 69),
        (a_state(condemned=CONDEMNED), 200, ("packs/b", "packs/a"), (), 49),
        (a_state(trims=(a_trim(180, 169),)), 200, (), (), 180),
        (a_state(trims=(a_trim(180, 171),)), 200, (), (), 0),
        (a_state(named=None), 200, (), (), 0),
        (MachineState(id="m"), 200, (), (), 0),
    ],
)
def test_reach(state: MachineState, head: int, present: Sequence[str], pinned: Sequence[int], last: int) -> None:
    assert reach(state, head, present, pinned, Tail(20, 10)) == last
    assert TAIL.behind == 1000


def test_the_fold_must_fit_into_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.vault.collect.trimming.MOST", 6000)
    few = reach(a_state(), 200, (), (), Tail(20, 10))
    assert 10 < few < 100
    dropped = {entry.point.id: Dropped(entry.seq, 195, 0) for entry in POINTS[:-2]}
    more = reach(a_state(dropped=dropped, points=POINTS[-2:]), 200, (), (), Tail(20, 10))
    assert few < more < 180, "of dropped ones less is told"


def test_what_must_still_be_true() -> None:
    mapped = {entry.point.id: kinds.Checkpoint(point=entry.point.id, id=b"c" * 16, size=1, directory=(0, 1)) for entry in POINTS}
    before = a_state(maps=mapped, repack=195)
    still = for_trim(before, 150)
    still(before)
    lower, higher = (PointEntry(201, a_point(b"x" * 16, parent.to_bytes(16, "big"))) for parent in (140, 160))
    for now in (
        a_state(maps=mapped, repack=199),
        a_state(maps=mapped, repack=195, trims=(a_trim(199, 20),)),
        a_state(maps=mapped, repack=195, holds=(kinds.Hold(id=b"h" * 16, point=POINTS[0].point.id, reason=""),)),
        a_state(maps={}, repack=195, points=(*POINTS, lower), entries=(*POINTS, lower)),
    ):
        with pytest.raises(Moved):
            still(now)
    assert issubclass(Moved, Conflict)
    still(a_state(maps=mapped, repack=195, points=(*POINTS, lower), entries=(*POINTS, lower)))
    few = {POINTS[15].point.id: mapped[POINTS[15].point.id]}
    still(a_state(maps=few, repack=195, points=(higher,), entries=(*POINTS, higher)))


@pytest.mark.parametrize(("seconds", "due"), [((), None), ((59.0, 0.0), None), ((60.0, 59.0), 50), ((70.0, 60.0), 90), ((0.0, 60.0), 90)])
def test_a_trim_is_due_when_its_own_grace_has_passed(seconds: Sequence[float], due: int | None) -> None:
    trims = (a_trim(100, 50), a_trim(150, 90))
    seen = Witness(sightings={key_of_trim(trim): Sighting(seconds=time, head=1) for trim, time in zip(trims, seconds, strict=False)})
    found = due_trim(MachineState(id="m", trims=trims), seen)
    assert (found.up_to if found else None) == due
