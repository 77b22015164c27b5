"""Which operation is allowed where. One table; everything else is a conflict that names the state and what is possible. Pure."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

from understudy.engine import FailoverMode, FailoverOperation, FailoverPhase
from understudy.errors import Conflict

Whose: TypeAlias = Literal["primary", "other"]
"""Whether the site that is asked is the machine's primary."""

_TAKE: tuple[FailoverOperation, ...] = ("test", "planned", "unplanned")

ALLOWED: Mapping[tuple[FailoverPhase, Whose], tuple[FailoverOperation, ...]] = {
    ("unprotected", "primary"): (),
    ("unprotected", "other"): (),
    ("initial_replication", "primary"): (),
    ("initial_replication", "other"): (),
    ("protected", "primary"): ("test", "start"),
    ("protected", "other"): _TAKE,
    # Who asked may go on, take it back, or no longer wait for a primary that has died.
    ("failing_over", "primary"): ("test", "cancel"),
    ("failing_over", "other"): ("test", "planned", "unplanned", "cancel"),
    ("failed_over", "primary"): ("test", "start", "change-point", "cancel", "commit"),
    ("failed_over", "other"): ("test", "unplanned"),
    ("committed", "primary"): ("test", "start", "reprotect"),
    ("committed", "other"): ("test", "unplanned"),
    ("reprotecting", "primary"): ("test", "start", "reprotect"),
    ("reprotecting", "other"): ("test", "unplanned"),
}
"""A failback is a planned failover by the site that was the primary before. A start is of a machine that was failed over and has no
process any more, since it crashed, shut down, or its host did."""

OPERATIONS: Mapping[FailoverMode, FailoverOperation] = {
    "planned": "planned",
    "unplanned": "unplanned",
    "change": "change-point",
    "cancel": "cancel",
}

_WHY: Mapping[FailoverPhase, str] = {
    "unprotected": "nothing protects it",
    "initial_replication": "it has no recovery point yet",
    "protected": "it is protected",
    "failing_over": "a planned failover is under way",
    "failed_over": "it was failed over, and that is not committed",
    "committed": "its failover was committed, and it is not replicated the other way yet",
    "reprotecting": "its replication the other way has begun, and has made no point yet",
}


def allowed(phase: FailoverPhase, *, primary: bool) -> tuple[FailoverOperation, ...]:
    return ALLOWED[phase, "primary" if primary else "other"]


def must_be_allowed(operation: FailoverOperation, machine: str, phase: FailoverPhase, site: str, *, primary: bool) -> None:
    """`Conflict` unless the operation is allowed. `site`: the machine's primary, which the one that is asked is or is not."""
    possible = allowed(phase, primary=primary)
    if operation in possible:
        return
    where = "here" if primary else f"at site {site!r}" if site else "anywhere"
    words = ", ".join(possible) if possible else "nothing"
    elsewhere = [other for other in allowed(phase, primary=not primary) if other not in possible]
    there = f"; {'at another site' if primary else f'at {site!r}'}: {', '.join(elsewhere)}" if elsewhere else ""
    raise Conflict(
        f"{operation} of machine {machine!r} is not possible: {_WHY[phase]} ({phase}), its primary is {where}",
        hint=f"possible here: {words}{there}",
    )
