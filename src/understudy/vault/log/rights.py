"""Who may append what, and where. A record whose signer lacks the right is void."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from understudy.vault.keys.identity import Role


class Log(Enum):
    SETTINGS = "settings"
    MACHINE = "machine"


class Right(NamedTuple):
    """The logs that a kind belongs into, and the roles that may append it there."""

    logs: frozenset[Log]
    roles: frozenset[Role]


_OPERATOR: frozenset[Role] = frozenset({"operator"})
_BOTH: frozenset[Role] = frozenset({"operator", "source"})
_MACHINE = frozenset({Log.MACHINE})
_SETTINGS = frozenset({Log.SETTINGS})

RIGHTS: Mapping[str, Right] = {
    "protect": Right(_MACHINE, _BOTH),
    "claim": Right(_MACHINE, _BOTH),
    "point": Right(_MACHINE, _BOTH),
    "checkpoint": Right(_MACHINE, _BOTH),
    "intent": Right(_MACHINE, _BOTH),
    "definition": Right(_MACHINE, _BOTH),
    "note": Right(_MACHINE | _SETTINGS, _BOTH),
    "hold": Right(_MACHINE, _OPERATOR),
    "verified": Right(_MACHINE, _OPERATOR),
    "drill": Right(_MACHINE, _OPERATOR),
    "retention": Right(_MACHINE, _OPERATOR),
    "prune": Right(_MACHINE, _OPERATOR),
    "repack": Right(_MACHINE, _OPERATOR),
    "condemn": Right(_MACHINE, _OPERATOR),
    "trim": Right(_MACHINE, _OPERATOR),
    "failover": Right(_MACHINE, _OPERATOR),
    "commit": Right(_MACHINE, _OPERATOR),
    "request": Right(_MACHINE, _OPERATOR),
    "answer": Right(_MACHINE, _BOTH),
    "withdraw": Right(_MACHINE, _BOTH),
    "isolation": Right(_MACHINE, _BOTH),
    "stand-down": Right(_MACHINE, _BOTH),
    "genesis": Right(_SETTINGS, _OPERATOR),
    "identity": Right(_SETTINGS, _OPERATOR),
    "revoke": Right(_SETTINGS, _OPERATOR),
    "promotion": Right(_SETTINGS, _OPERATOR),
    "superseded": Right(_SETTINGS, _OPERATOR),
    "plan": Right(_SETTINGS, _OPERATOR),
    "plan-report": Right(_SETTINGS, _OPERATOR),
}


def refusal(kind: str, log: Log, role: Role) -> str:
    """Why a signer of this role may not append this kind to this log; empty if it may, or if the kind is unknown."""
    right = RIGHTS.get(kind)
    if right is None:
        return ""
    if log not in right.logs:
        return f"a {kind} does not belong into a {log.value} log"
    if role not in right.roles:
        return f"the role {role} may not append a {kind}"
    return ""
