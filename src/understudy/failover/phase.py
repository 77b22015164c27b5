"""Where a machine stands between protection and failover: from its log's state alone. Pure."""

from understudy.engine import FailoverPhase
from understudy.vault.log.authority import CANCEL
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
