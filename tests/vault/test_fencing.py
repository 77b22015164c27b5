"""Who may append what, decided from the state alone."""

import pytest

from tests.vault.test_fold import CLAIM, FAILOVER, HOLD, P1, P2, PROTECT, A, B, checkpoint, state_of
from understudy.errors import AccessDenied, Conflict, Fenced, SecondWriter, UnderstudyError
from understudy.vault import kinds
from understudy.vault.keys.identity import Role
from understudy.vault.kinds import Body
from understudy.vault.log.fencing import Writer, check, check_claim
from understudy.vault.log.state import MachineState

EMPTY = state_of()
OPENED = state_of((1, A, PROTECT))
OURS = state_of((1, A, PROTECT), (1, A, CLAIM), (1, A, P1))
THEIRS = state_of((1, A, PROTECT), (1, A, CLAIM), (1, B, kinds.Claim(site="elsewhere")))
OVER = state_of((1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, B, FAILOVER))
OVER_AND_CLAIMED = state_of((1, A, PROTECT), (1, A, CLAIM), (1, A, P1), (1, B, FAILOVER), (2, B, kinds.Claim(site="there")))

SOURCE, OPERATOR = Writer(A, "source"), Writer(A, "operator")
CLAIMED, CLAIMED_OPERATOR = Writer(A, "source", 1, "here"), Writer(A, "operator", 1, "here")
DEFINITION = kinds.Definition(definition=kinds.ObjectRef(hash=bytes(32), size=1))
NOTE = kinds.Note(text="x")

TABLE: list[tuple[MachineState, Body, Writer, type[UnderstudyError] | None]] = [
    (EMPTY, PROTECT, SOURCE, None),
    (EMPTY, NOTE, OPERATOR, Conflict),
    (OPENED, PROTECT, OPERATOR, Conflict),
    (OPENED, P1, SOURCE, Conflict),
    (OPENED, P1, OPERATOR, Conflict),
    (OPENED, checkpoint(P1), SOURCE, Conflict),
    (OPENED, DEFINITION, OPERATOR, None),
    (OPENED, NOTE, SOURCE, None),
    (OPENED, HOLD, OPERATOR, None),
    (OPENED, HOLD, SOURCE, AccessDenied),
    (OPENED, FAILOVER, SOURCE, AccessDenied),
    (OPENED, FAILOVER, OPERATOR, None),
    (OURS, P2, CLAIMED, None),
    (OURS, checkpoint(P1), CLAIMED, None),
    (OURS, DEFINITION, CLAIMED, None),
    (THEIRS, P2, CLAIMED, SecondWriter),
    (THEIRS, checkpoint(P1), CLAIMED, SecondWriter),
    (THEIRS, DEFINITION, CLAIMED_OPERATOR, SecondWriter),
    (THEIRS, NOTE, CLAIMED, None),
    (THEIRS, HOLD, CLAIMED_OPERATOR, None),
    (OVER, P2, CLAIMED, Fenced),
    (OVER, checkpoint(P1), CLAIMED, Fenced),
    (OVER, DEFINITION, CLAIMED, Fenced),
    (OVER_AND_CLAIMED, P2, CLAIMED, Fenced),
    (OVER_AND_CLAIMED, HOLD, CLAIMED_OPERATOR, None),
    (OVER, FAILOVER, OPERATOR, Fenced),
    (OVER, kinds.Failover(epoch=3, site="here"), OPERATOR, None),
]


@pytest.mark.parametrize(("state", "body", "writer", "error"), TABLE)
def test_appending(state: MachineState, body: Body, writer: Writer, error: type[UnderstudyError] | None) -> None:
    if error is None:
        check(state, body, writer)
    else:
        with pytest.raises(error) as caught:
            check(state, body, writer)
        assert type(caught.value) is error


CLAIMS: list[tuple[MachineState, Role, str, int, bool, bool]] = [
    # state, role, site, epoch seen, adopt, allowed
    (OPENED, "source", "here", 1, False, True),
    (OPENED, "source", "elsewhere", 1, False, True),
    (OVER, "source", "here", 1, False, False),
    (OVER, "source", "here", 2, False, False),
    (OVER, "source", "here", 2, True, False),
    (OVER, "operator", "here", 2, False, False),
    (OVER, "operator", "here", 2, True, True),
    (OVER, "operator", "here", 1, True, False),
    (OVER, "operator", "there", 2, False, True),
    (OVER, "source", "there", 2, False, True),
    (OVER, "source", "there", 1, False, False),
]


@pytest.mark.parametrize(("state", "role", "site", "epoch", "adopt", "allowed"), CLAIMS)
def test_claiming(state: MachineState, role: Role, site: str, epoch: int, adopt: bool, allowed: bool) -> None:
    if allowed:
        check_claim(state, role, site, epoch=epoch, adopt=adopt)
    else:
        with pytest.raises(Fenced, match="'there' is its primary"):
            check_claim(state, role, site, epoch=epoch, adopt=adopt)
