"""What a site that follows a machine has to do, from the log alone: records in, duty out; and where the machine stands then."""

import pytest

from tests.vault.test_fold import CLAIM, P1, P2, PROTECT, A, B, records
from tests.vault.worlds import a_point
from understudy.engine import FailoverPhase
from understudy.failover.duty import Duty, GoOn, Memory, Nothing, ShutDown, StandDown, TakeBack, Taken, Wait, duty_of
from understudy.failover.phase import SHUTDOWN, phase_of
from understudy.vault import kinds
from understudy.vault.kinds import Body
from understudy.vault.log.fold import fold
from understudy.vault.log.state import MachineState

Said = tuple[tuple[int, bytes, Body], ...]

START: Said = ((1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, A, P2))
ASKED = kinds.Request(id=b"r" * 16, action=SHUTDOWN, site="here", by="there")
BACK = kinds.Request(id=b"r" * 16, action=SHUTDOWN, site="here", by="there", cancelled=True)
DONE = kinds.Answer(id=b"r" * 16, outcome="done")
FINAL = a_point(b"f" * 16, P2.id, final=True)
OVER = kinds.Failover(epoch=2, site="there", point=FINAL.id, mode="planned", id=b"i" * 16)
LOST = kinds.Failover(epoch=2, site="there", point=P1.id, mode="unplanned", id=b"i" * 16)
HOME = kinds.Failover(epoch=3, site="here", point=P2.id, mode="cancel", id=b"j" * 16)
HERE = kinds.Failover(epoch=2, site="here", point=P2.id, mode="unplanned", id=b"k" * 16)
TAKEN_HERE = Memory(False, "", "6b" * 16)
THERE = kinds.Claim(site="there")
COMMIT = kinds.Commit(epoch=2)
NEXT = a_point(b"n" * 16, FINAL.id)

OURS, STOPPED, THEIRS, THEIRS_STOPPED = Memory(True), Memory(True, "72" * 16), Memory(False), Memory(False, "72" * 16)

SHUT: Said = ((1, B, ASKED), (1, A, FINAL), (1, A, DONE))
TAKEN: Said = (*SHUT, (1, B, OVER))

CASES: list[tuple[str, Said, Memory, FailoverPhase, type[Duty]]] = [
    ("replicated", (), OURS, "protected", Nothing),
    ("asked to shut down", ((1, B, ASKED),), OURS, "failing_over", ShutDown),
    ("asked, and began", ((1, B, ASKED), (1, A, kinds.Answer(id=b"r" * 16, outcome="began"))), STOPPED, "failing_over", ShutDown),
    ("its last point made, not said so yet", ((1, B, ASKED), (1, A, FINAL)), STOPPED, "failing_over", ShutDown),
    ("shut down", SHUT, STOPPED, "failing_over", Wait),
    ("taken back before anything was done", ((1, B, ASKED), (1, B, BACK)), OURS, "protected", Nothing),
    ("taken back in its midst", ((1, B, ASKED), (1, B, BACK)), STOPPED, "protected", GoOn),
    ("taken back when it was done", (*SHUT, (1, B, BACK)), STOPPED, "failing_over", GoOn),
    ("and withdrawn", (*SHUT, (1, B, BACK), (1, A, kinds.Withdraw(point=FINAL.id))), STOPPED, "protected", GoOn),
    ("refused", ((1, B, ASKED), (1, A, kinds.Answer(id=b"r" * 16, outcome="failed"))), STOPPED, "protected", GoOn),
    ("failed over", TAKEN, THEIRS_STOPPED, "failed_over", StandDown),
    ("lost", ((1, B, LOST),), THEIRS, "failed_over", StandDown),
    ("failed over to this site", ((1, B, HERE),), TAKEN_HERE, "failed_over", Taken),
    ("and committed, and its old disks still followed", ((1, B, HERE), (2, B, COMMIT)), TAKEN_HERE, "committed", Taken),
    ("failed over to another host of this name", ((1, B, HERE),), THEIRS, "failed_over", StandDown),
    ("committed", (*TAKEN, (2, B, COMMIT)), THEIRS_STOPPED, "committed", StandDown),
    ("claimed there", (*TAKEN, (2, B, COMMIT), (2, B, THERE)), THEIRS_STOPPED, "reprotecting", StandDown),
    ("replicated there", (*TAKEN, (2, B, COMMIT), (2, B, THERE), (2, B, NEXT)), THEIRS_STOPPED, "protected", StandDown),
    ("cancelled", ((1, B, LOST), (2, B, HOME)), THEIRS, "protected", TakeBack),
    ("claimed again", ((1, B, LOST), (2, B, HOME), (3, A, CLAIM)), OURS, "protected", Nothing),
]


def state_of(said: Said) -> MachineState:
    state = fold("ab" * 16, records(*START, *said))
    assert state.void == ()
    return state


@pytest.mark.parametrize(("name", "said", "memory", "phase", "duty"), CASES, ids=[case[0] for case in CASES])
def test_what_is_to_be_done_here(name: str, said: Said, memory: Memory, phase: FailoverPhase, duty: type[Duty]) -> None:
    state = state_of(said)
    assert (phase_of(state), type(duty_of(state, "here", memory))) == (phase, duty)


def test_an_orderly_end_is_told_from_a_loss() -> None:
    planned, lost = duty_of(state_of(TAKEN), "here", THEIRS_STOPPED), duty_of(state_of(((1, B, LOST),)), "here", THEIRS)
    assert isinstance(planned, StandDown)
    assert isinstance(lost, StandDown)
    assert (planned.orderly, planned.over, lost.orderly) == (True, False, False)


def test_a_machine_that_was_taken_over_without_a_failover_is_the_next_cycle_s_to_tell() -> None:
    state = state_of(((1, B, THERE),))
    assert isinstance(duty_of(state, "here", THEIRS), Nothing)


def test_before_its_first_point() -> None:
    state = fold("ab" * 16, records((1, A, PROTECT), (1, A, CLAIM)))
    assert phase_of(state) == "initial_replication"
    assert phase_of(fold("ab" * 16, [])) == "unprotected"
