"""What dropping, repacking and condemning mean to a machine's state, and what of it does not count."""

from dataclasses import replace

import msgspec
import pytest

from tests.vault.worlds import a_point
from understudy.errors import IntegrityError
from understudy.vault import kinds
from understudy.vault.kinds import Body, ObjectRef, PackRef
from understudy.vault.log.fold import Folder
from understudy.vault.log.judge import Record
from understudy.vault.log.keeping import NOTHING, Attached, Condemned, needed
from understudy.vault.log.lists import decode_maps, decode_names, encode_maps, encode_names, pack_name
from understudy.vault.log.state import Lost, MachineState
from understudy.vault.maps.points import Dropped

A, B = b"a" * 16, b"b" * 16
REF = ObjectRef(hash=bytes(32), size=100)
P1 = a_point(b"1" * 16)
P2 = a_point(b"2" * 16, P1.id)
P3 = a_point(b"3" * 16, P2.id)
START: tuple[Body, ...] = (kinds.Protect(name="web", site="here"), kinds.Claim(site="here"), P1, P2, P3)


def a_map(point: kinds.Point, repack: int = 0) -> kinds.Checkpoint:
    return kinds.Checkpoint(point=point.id, id=point.id, size=10, directory=(0, 10), repack=repack)


def prune(*points: kinds.Point) -> kinds.Prune:
    return kinds.Prune(points=tuple(point.id for point in points))


def hold(point: kinds.Point, lifted: bool = False) -> kinds.Hold:
    return kinds.Hold(id=b"h" * 16, point=point.id, reason="by hand", lifted=lifted)


def state_of(*said: Body | tuple[Body, Attached]) -> MachineState:
    folder = Folder("ab" * 16)
    for seq, item in enumerate(said, 1):
        body, attached = item if isinstance(item, tuple) else (item, NOTHING)
        folder.take(Record(seq, bytes([seq]) * 32, b"s" * 32, "operator", body.kind, 1, A, 1000 + seq, body), attached)
    return folder.state()


def test_dropped_points_stay_what_others_are_laid_on() -> None:
    state = state_of(*START, prune(P1, P2))
    assert [entry.point for entry in state.points] == [P3]
    assert [entry.point for entry in state.entries] == [P1, P2, P3]
    assert state.dropped == {P1.id: Dropped(3, 6, 1006), P2.id: Dropped(4, 6, 1006)}
    assert state_of(*START, prune(P1, P2), prune(P2)).dropped[P2.id].prune == 6


def test_a_repack_makes_older_checkpoints_void() -> None:
    repack = (kinds.Repack(horizon=5, maps=REF), Attached(maps=(a_map(P2), a_map(P3))))
    state = state_of(*START, a_map(P1), prune(P1), repack, a_map(P3, repack=8))
    assert state.maps == {P2.id: a_map(P2), P3.id: a_map(P3)}
    assert (state.repack, state.horizon) == (8, 5)
    assert state.checkpoints == (a_map(P3, repack=8),)
    late = state_of(*START, a_map(P1), prune(P1), repack, a_map(P3))
    assert late.void[-1].reason == "it was made before the newest repack, of maps that are void now"


def test_what_a_repack_must_have() -> None:
    entries = state_of(*START).entries
    assert [entry.seq for entry in needed(entries, (), 5)] == [3, 4, 5]
    assert [entry.seq for entry in needed(entries, (P1.id, P2.id), 5)] == [5]
    # Record 5 is laid on the point of record 4, which is dropped.
    assert [entry.seq for entry in needed(entries, (P1.id, P2.id), 4)] == [4]


def test_what_is_condemned_and_what_was_meant_to_be_kept() -> None:
    pack = PackRef(id=b"p" * 16, size=1000, hash=bytes(32))
    condemn = (kinds.Condemn(objects=REF, grace=60), Attached(names=frozenset({pack_name(pack.id)})))
    state = state_of(*START, condemn)
    assert state.condemned == (Condemned(6, 1006, 60, REF, frozenset({f"packs/{b'p'.hex() * 16}"})),)
    named = msgspec.structs.replace(a_point(b"4" * 16, P3.id), packs=(pack,))
    listed = (msgspec.structs.replace(a_point(b"4" * 16, P3.id), packs_in=REF), Attached(packs=(pack,)))
    for point in (named, listed):
        after = state_of(*START, condemn, point)
        assert after.points == state.points
        assert after.void[-1].reason == f"it names pack {pack.id.hex()}, which was condemned before"
    assert state_of(*START, named, condemn).void == ()


def test_an_intent_ends_with_a_point_or_a_failover() -> None:
    intent = kinds.Intent(id=b"i" * 16)
    assert state_of(*START, intent).intent == intent
    assert state_of(*START, intent, a_point(b"4" * 16)).intent is None
    assert state_of(*START, intent, kinds.Failover(epoch=2, site="there")).intent is None


def test_retention_and_verdicts() -> None:
    policy = kinds.Retention(all_for=3600, daily=7)
    state = state_of(*START, policy, kinds.Verified(point=P1.id), kinds.Verified(point=P2.id), prune(P1))
    assert state.retention == policy
    assert state.verified == {P2.id: 1008}


def test_what_is_lost_is_told() -> None:
    state = state_of(*START, (kinds.Repack(horizon=5, maps=REF), Attached(lost="the maps are missing", object="objects/aa")))
    assert state.lost == (Lost(6, "repack", "objects/aa", "the maps are missing"),)
    assert (state.repack, state.maps) == (6, {})


VOID: list[tuple[str, list[Body | tuple[Body, Attached]]]] = [
    ("it drops the newest point", [prune(P3)]),
    (f"it drops point {P1.id.hex()}, which is held", [hold(P1), prune(P2, P1)]),
    ("it is of a point that was dropped before", [prune(P1), hold(P1)]),
    ("it is of a point that is not kept", [prune(P1), kinds.Verified(point=P1.id)]),
    ("record 6, up to which it speaks, is not before it", [kinds.Repack(horizon=6, maps=REF)]),
    (f"it has no map of point {P2.id.hex()}, which is needed", [(kinds.Repack(horizon=4, maps=REF), Attached(maps=(a_map(P1),)))]),
]


@pytest.mark.parametrize(("reason", "said"), VOID)
def test_what_does_not_count(reason: str, said: list[Body | tuple[Body, Attached]]) -> None:
    state = state_of(*START, *said)
    assert state.void[-1].reason == reason
    assert replace(state, void=()) == state_of(*START, *said[:-1])


def test_a_lifted_hold_lets_go() -> None:
    state = state_of(*START, hold(P1), hold(P1, lifted=True), prune(P1))
    assert [entry.point for entry in state.points] == [P2, P3]


def test_lists() -> None:
    names = {"packs/" + "ab" * 16, "maps/" + "01" * 16, "objects/" + "cd" * 32}
    assert decode_names(encode_names(names)) == names
    assert decode_maps(encode_maps([a_map(P1)])) == (a_map(P1),)
    for bad in ("log/0000000000000001", "packs/../x", "../vault", "packs/" + "AB" * 16, ""):
        with pytest.raises(ValueError, match="is no pack, map or side object"):
            encode_names([bad])
    for data in (b"", b"\xc1", encode_maps([a_map(P1)]), b"\x91\xa3abc"):
        with pytest.raises(IntegrityError):
            decode_names(data)
    with pytest.raises(IntegrityError):
        decode_maps(encode_names(names))
