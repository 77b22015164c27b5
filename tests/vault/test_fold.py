"""What a sequence of records means, and which of them do not count. No store, no keys: values in, values out."""

from dataclasses import replace

import pytest

from tests.vault.worlds import a_point
from understudy.vault import kinds
from understudy.vault.kinds import Body
from understudy.vault.log.fold import Folder, fold
from understudy.vault.log.judge import Record
from understudy.vault.log.state import MachineState

A, B = b"a" * 16, b"b" * 16
P1, P2, P3 = (a_point(bytes([number]) * 16) for number in (1, 2, 3))
HOLD = kinds.Hold(id=b"h" * 16, point=P1.id, reason="by hand")
PROTECT = kinds.Protect(name="web", site="here")
CLAIM = kinds.Claim(site="here")
FAILOVER = kinds.Failover(epoch=2, site="there")


def checkpoint(point: kinds.Point, id_: bytes = b"c" * 16) -> kinds.Checkpoint:
    return kinds.Checkpoint(point=point.id, id=id_, size=10, directory=(0, 10))


def records(*said: tuple[int, bytes, Body]) -> list[Record]:
    return [
        Record(seq, bytes([seq]) * 32, b"s" * 32, "source", body.kind, epoch, writer, 0, body)
        for seq, (epoch, writer, body) in enumerate(said, 1)
    ]


def state_of(*said: tuple[int, bytes, Body]) -> MachineState:
    return fold("ab" * 16, records(*said))


def test_a_life() -> None:
    state = state_of(
        (1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, A, P2), (1, A, checkpoint(P1)), (1, B, HOLD), (1, A, P3), (1, A, checkpoint(P3))
    )
    assert (state.name, state.site, state.epoch, state.writer, state.generation) == ("web", "here", 1, A, b"g" * 16)
    assert [(entry.seq, entry.point) for entry in state.points] == [(3, P1), (4, P2), (7, P3)]
    assert state.newest is not None
    assert state.newest.point == P3
    assert state.holds == (HOLD,)
    assert [checkpoint.point for checkpoint in state.checkpoints] == [P3.id, P1.id]
    assert state.void == ()


def test_inline_packs_are_left_out() -> None:
    state = state_of((1, A, PROTECT), (1, A, CLAIM), (1, A, a_point(inline=b"pack")))
    assert (state.points[0].point.inline, state.points[0].inlined) == (b"", 4)


def test_holds_are_lifted_by_their_id() -> None:
    other = kinds.Hold(id=b"i" * 16, point=P1.id, reason="drill")
    base = ((1, A, PROTECT), (1, A, HOLD), (1, A, other))
    assert state_of(*base).holds == (HOLD, other)
    lifted = kinds.Hold(id=HOLD.id, point=P1.id, reason="done", lifted=True)
    assert state_of(*base, (1, A, lifted)).holds == (other,)
    assert state_of(*base, (1, A, lifted), (1, A, lifted)).void == ()


def test_the_newer_claim_wins() -> None:
    state = state_of((1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, B, CLAIM), (1, A, P2), (1, B, P3), (1, A, CLAIM), (1, A, P2))
    assert [entry.seq for entry in state.points] == [3, 6, 8]
    assert [(void.seq, void.kind) for void in state.void] == [(5, "point")]
    assert state.writer == A


def test_a_failover_ends_an_epoch() -> None:
    before = ((1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, B, FAILOVER))
    state = state_of(*before)
    assert (state.epoch, state.site, state.writer) == (2, "there", b"")
    there = kinds.Claim(site="there")
    late: tuple[Body, ...] = (P2, CLAIM, checkpoint(P1), kinds.Definition(definition=kinds.ObjectRef(hash=bytes(32), size=1)), FAILOVER)
    for body in late:
        state = state_of(*before, (1, A, body), (2, B, there), (2, B, P3))
        assert [(void.seq, void.reason) for void in state.void] == [(5, "it is of epoch 1, which ended with a failover")]
        assert [entry.point for entry in state.points] == [P1, P3]
        assert (state.writer, state.site, state.definition) == (B, "there", None)
    assert state_of(*before, (1, A, HOLD)).holds == (HOLD,)
    assert state_of(*before, (1, A, kinds.Note(text="x"))).void == ()


VOID: list[tuple[str, list[tuple[int, bytes, Body]]]] = [
    ("nothing opened this log before it", [(1, A, CLAIM)]),
    ("only the first record opens a log", [(1, A, PROTECT), (1, A, PROTECT)]),
    ("a machine begins with epoch 1", [(2, A, PROTECT)]),
    ("its writer does not have the newest claim", [(1, A, PROTECT), (1, A, P1)]),
    ("its writer does not have the newest claim", [(1, A, PROTECT), (1, A, CLAIM), (1, B, P1)]),
    ("its writer does not have the newest claim", [(1, A, PROTECT), (1, A, CLAIM), (1, B, FAILOVER), (2, A, P1)]),
    ("this point exists already", [(1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, A, P1)]),
    ("it speaks of epoch 2, which never began", [(1, A, PROTECT), (2, A, CLAIM)]),
    ("epoch 3 does not follow epoch 1", [(1, A, PROTECT), (1, A, kinds.Failover(epoch=3, site="there"))]),
    ("epoch 1 does not follow epoch 1", [(1, A, PROTECT), (1, A, kinds.Failover(epoch=1, site="there"))]),
    ("site 'there' is the primary in epoch 2, not 'here'", [(1, A, PROTECT), (1, A, CLAIM), (1, A, FAILOVER), (2, A, CLAIM)]),
    ("it is of a point that does not exist", [(1, A, PROTECT), (1, A, CLAIM), (1, A, checkpoint(P1))]),
]


def test_an_operator_may_take_a_machine_over() -> None:
    said = records((1, A, PROTECT), (1, B, FAILOVER), (2, A, CLAIM))
    assert fold("ab" * 16, [*said[:2], replace(said[2], role="operator")]).site == "here"


@pytest.mark.parametrize(("reason", "said"), VOID)
def test_what_does_not_count(reason: str, said: list[tuple[int, bytes, Body]]) -> None:
    state = state_of(*said)
    assert [(void.seq, void.kind, void.reason) for void in state.void] == [(len(said), said[-1][2].kind, reason)]
    # And nothing but that changes.
    assert replace(state, void=()) == state_of(*said[:-1])


def test_a_record_judged_void_changes_nothing() -> None:
    good = records((1, A, PROTECT), (1, A, CLAIM), (1, A, P1))
    for index, record in enumerate(good):
        state = fold("ab" * 16, [*good[:index], replace(record, body=None, void="revoked")])
        assert (state.void[-1].seq, state.void[-1].reason) == (index + 1, "revoked")


def test_record_by_record_or_at_once() -> None:
    said = records((1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, B, P2), (1, B, FAILOVER), (2, B, kinds.Claim(site="there")), (2, B, P2))
    folder = Folder("ab" * 16)
    for count, record in enumerate(said, 1):
        folder.take(record)
        assert folder.state() == fold("ab" * 16, said[:count])


def test_the_newest_drills_are_remembered() -> None:
    def drill(number: int, **more: object) -> kinds.Drill:
        fields = {"id": bytes([number]) * 16, "point": P1.id, "site": "there", "began_at": number, "seconds": 1.5, "outcome": "passed"}
        return kinds.Drill(**(fields | more))  # type: ignore[arg-type]

    base = ((1, A, PROTECT), (1, A, CLAIM), (1, A, P1))
    state = state_of(*base, *((1, B, drill(number)) for number in range(12)))
    assert [drill.began_at for drill in state.drills] == list(range(2, 12))
    # Said twice, where it was not known whether it had been said; of a point that is dropped; by a site that is not the primary.
    gone = kinds.Prune(points=(P1.id,))
    state = state_of(*base, (1, A, P2), (1, B, drill(1)), (1, B, gone), (1, B, drill(2)), (1, B, drill(1, note="again")))
    assert state.drills == (drill(1), drill(2))
    assert state.void == ()
    state = state_of(*base, (1, B, drill(1)), (1, B, FAILOVER), (1, A, drill(2)), (2, B, drill(3)))
    assert [drill.began_at for drill in state.drills] == [1, 2, 3]
