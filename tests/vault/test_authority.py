"""Which site runs a machine, from which point it goes on, and what sites ask of each other: values in, values out."""

import pytest

from tests.vault.test_fold import CLAIM, P1, P2, P3, PROTECT, A, B, records
from tests.vault.worlds import a_point
from understudy.vault import kinds
from understudy.vault.kinds import Body
from understudy.vault.log.fold import fold
from understudy.vault.log.state import MachineState

THERE = kinds.Claim(site="there")
START: tuple[tuple[int, bytes, Body], ...] = ((1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, A, P2))
ASKED = kinds.Request(id=b"r" * 16, action="shutdown", site="here", by="there")
FINAL = a_point(b"f" * 16, P2.id, final=True)


def over(point: bytes = b"", epoch: int = 2, site: str = "there", mode: str = "unplanned") -> kinds.Failover:
    return kinds.Failover(epoch=epoch, site=site, point=point, mode=mode)


def state_of(*said: tuple[int, bytes, Body]) -> MachineState:
    return fold("ab" * 16, records(*START, *said))


def head_of(state: MachineState) -> bytes:
    assert state.newest is not None
    return state.newest.point.id


def test_a_failover_to_an_earlier_point_goes_on_from_it() -> None:
    state = state_of((1, A, over(P1.id)))
    assert head_of(state) == P1.id
    assert dict(state.superseded) == {P2.id: 2}
    assert state.authority.failover is not None
    assert (state.authority.failover.before, state.authority.failover.site, state.authority.failover.point) == ("here", "there", P1.id)
    there = a_point(P3.id, P1.id)
    state = state_of((1, A, over(P1.id)), (2, B, THERE), (2, B, there))
    assert (head_of(state), state.authority.since, dict(state.superseded)) == (P3.id, 1, {P2.id: 2})


def test_another_point_is_chosen_and_what_was_superseded_counts_again() -> None:
    chosen = ((1, A, over(P1.id)), (2, B, THERE), (2, B, a_point(P3.id, P1.id)), (2, B, over(P2.id, 3, mode="change")))
    state = state_of(*chosen)
    assert (head_of(state), dict(state.superseded)) == (P2.id, {P3.id: 3})
    assert state.void == ()


def test_without_a_point_it_goes_on_from_the_newest() -> None:
    state = state_of((1, A, over()))
    assert (head_of(state), dict(state.superseded)) == (P2.id, {})
    assert state.authority.failover is not None
    assert state.authority.failover.point == P2.id


def test_the_point_that_it_goes_on_from_is_not_dropped() -> None:
    state = state_of((1, A, over(P1.id)), (2, B, kinds.Prune(points=(P1.id,))))
    assert [void.reason for void in state.void] == ["it drops the newest point"]
    state = state_of((1, A, kinds.Prune(points=(P1.id,))), (1, A, over(P1.id)))
    assert [void.reason for void in state.void] == ["it goes on from a point that is not kept"]
    assert state.epoch == 1


def test_a_commit_is_of_this_epoch_and_once() -> None:
    commit = kinds.Commit(epoch=2)
    state = state_of((1, A, over()), (2, B, commit))
    assert state.authority.failover is not None
    assert state.authority.failover.committed
    again = state_of((1, A, over()), (2, B, commit), (2, B, commit))
    assert [void.reason for void in again.void] == ["that was committed before"]
    none = state_of((1, A, kinds.Commit(epoch=1)))
    assert [void.reason for void in none.void] == ["no failover began epoch 1"]


def test_after_a_final_point_its_source_appends_none_until_it_takes_it_back() -> None:
    later = a_point(P3.id, FINAL.id)
    state = state_of((1, A, FINAL), (1, A, later))
    assert (head_of(state), state.authority.final) == (FINAL.id, FINAL.id)
    assert [void.reason for void in state.void] == [f"point {FINAL.id.hex()} was the last one before a planned failover"]
    state = state_of((1, A, FINAL), (1, A, kinds.Withdraw(point=FINAL.id)), (1, A, later))
    assert (head_of(state), state.authority.final, state.void) == (P3.id, b"", ())
    # A new epoch has points of its own.
    state = state_of((1, A, FINAL), (1, A, over()), (2, B, THERE), (2, B, later))
    assert (head_of(state), state.void) == (P3.id, ())


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ((ASKED, ASKED), "this request exists already"),
        ((kinds.Answer(id=ASKED.id, outcome="done"),), "nothing was asked for under this id"),
        ((kinds.Withdraw(point=P2.id),), "it is of a point that is not final"),
        (
            (ASKED, kinds.Answer(id=ASKED.id, outcome="done"), kinds.Answer(id=ASKED.id, outcome="failed")),
            "that request is done already",
        ),
        (
            (ASKED, kinds.Request(id=ASKED.id, action="", site="", by="", cancelled=True), kinds.Answer(id=ASKED.id, outcome="done")),
            "that request is cancelled already",
        ),
    ],
)
def test_what_does_not_count(said: tuple[Body, ...], reason: str) -> None:
    state = state_of(*((1, A, body) for body in said))
    assert [void.reason for void in state.void] == [reason]


def test_requests_are_answered_and_end_with_their_epoch() -> None:
    state = state_of((1, B, ASKED), (1, A, kinds.Answer(id=ASKED.id, outcome="began", text="shutting down")))
    (asked,) = state.authority.requests
    assert (asked.open, asked.outcome, asked.text) == (True, "began", "shutting down")
    assert state_of((1, B, ASKED), (1, B, over())).authority.requests == ()


def test_what_a_former_primary_says_is_kept_by_site() -> None:
    running = kinds.StandDown(site="here", epoch=2, running=True, text="its guest runs still")
    stood = kinds.StandDown(site="here", epoch=2, running=False, text="paused")
    state = state_of((1, A, over()), (2, A, running), (2, A, stood))
    assert [(one.site, one.running, one.text) for one in state.authority.stood] == [("here", False, "paused")]
