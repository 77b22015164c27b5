"""Where a machine stands between protection and failover: from its log's state alone. Pure."""

from understudy.engine import FailoverPhase
from understudy.vault.log.authority import CANCEL, PLANNED
from understudy.vault.log.state import MachineState

SHUTDOWN, STANDBY = "shutdown", "standby"
"""What one site asks of another."""


def phase_of(state: MachineState) -> FailoverPhase:
    authority = state.authority
    if not state.epoch:
        return "unprotected"
    failover = authority.failover
    if failover is not None and failover.mode != CANCEL and not authority.since:
        # Points of this epoch are made by what was accepted.
        if not failover.committed:
            return "failed_over"
        return "reprotecting" if state.writer else "committed"
    if authority.final or asked_to_shut_down(state) is not None:
        return "failing_over"
    return "protected" if state.points else "initial_replication"


def asked_to_shut_down(state: MachineState) -> bytes | None:
    """The id of the request that is open; None if there is none."""
    return next((asked.id for asked in state.authority.requests if asked.open and asked.action == SHUTDOWN), None)


def runs_unheard(state: MachineState) -> tuple[str, int]:
    """Which site may run the machine though nobody hears of it, and the seconds after which it has paused it then; 0: it does not.

    After a failover that was not committed that is still the primary before it: where the machine was brought nobody pauses it yet.
    """
    authority, entry = state.authority, state.authority.failover
    if entry is None or entry.committed or entry.mode == PLANNED or stands_still(state):
        return state.site, authority.isolation
    return entry.before, entry.isolation


def stands_still(state: MachineState, site: str = "") -> bool:
    """Whether the site has said so in this epoch. Empty: the primary before the failover."""
    authority = state.authority
    site = site or (authority.failover.before if authority.failover is not None else "")
    return any(stood.site == site and not stood.running for stood in authority.stood)
