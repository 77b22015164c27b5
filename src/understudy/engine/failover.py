"""Failing a machine over, and what one is told of where it stands."""

from typing import Literal, TypeAlias

from understudy.engine.networks import Look
from understudy.engine.values import Value

FailoverPhase: TypeAlias = Literal[
    "unprotected", "initial_replication", "protected", "failing_over", "failed_over", "committed", "reprotecting"
]
FailoverOperation: TypeAlias = Literal["test", "start", "planned", "unplanned", "change-point", "cancel", "commit", "reprotect"]
FailoverMode: TypeAlias = Literal["", "planned", "unplanned", "change", "cancel"]


class FailOver(Value, frozen=True):
    """Start the machine on this site, as itself. A planned one shuts it down at its primary first and loses nothing; an unplanned one
    goes on from `point` (an id; empty: the newest; `latest-processed`: that of this site's standby image) and does not wait for the
    primary.

    `force`: in a planned one a guest that does not shut down is ended; an unplanned one does not wait until the primary must have paused
    its machine, and goes on though the fence command failed. `reason` is for the record.
    """

    machine: str
    mode: Literal["planned", "unplanned"]
    point: str = ""
    force: bool = False
    reason: str = ""


class ChangePoint(Value, frozen=True):
    """Before the commit, go on from another point. What was written since the failover is kept aside."""

    machine: str
    point: str


class CancelFailover(Value, frozen=True):
    """Go back to where the machine was, as far as that is safe."""

    machine: str


class StartAgain(Value, frozen=True):
    """Start a machine again that was failed over to this site, and does not run."""

    machine: str


class CommitFailover(Value, frozen=True):
    """Accept the failover: its disks become local images, which need the vault no more, and the point is not changed any more."""

    machine: str


class Reprotect(Value, frozen=True):
    """Replicate the machine from here, and ask its former site to become its stand-in."""

    machine: str


class FailedOver(Value, frozen=True):
    """How an operation ended. `rpo_seconds`: from the freeze of its point until it was asked for; 0: nothing was lost. `rto_seconds`: from
    then until its guest ran here. Both None, and no `findings`, of what was done to a failover that had been made before."""

    machine: str
    mode: FailoverMode
    epoch: int
    site: str
    point: str
    number: int
    run: str = ""
    rpo_seconds: float | None = None
    rto_seconds: float | None = None
    findings: tuple[Look, ...] = ()


class FailoverEntry(Value, frozen=True):
    """The failover that began the present epoch. Times are wall-clock ns; `committed_at` 0: not yet."""

    epoch: int
    site: str
    before: str
    point: str
    mode: str
    reason: str
    at: int
    committed_at: int


class SiteRequest(Value, frozen=True):
    """What one site asks of another. `outcome`: empty, began, done, failed or cancelled."""

    id: str
    action: str
    site: str
    by: str
    at: int
    outcome: str
    text: str


class StoodDown(Value, frozen=True):
    """What a former primary said of its own copy."""

    site: str
    epoch: int
    running: bool
    text: str
    at: int


class ReplicaState(Value, frozen=True):
    """A run of the machine on this host. `below`: disks that still need what lies below their overlays."""

    run: str
    status: str
    reason: str
    point: str
    below: tuple[str, ...]
    kept: bool


class Authority(Value, frozen=True):
    """Where a machine stands. `primary`: whether this site is its primary; `allowed`: what can be done here now; `under_way`: an operation
    that was begun here and has not ended, in words."""

    machine: str
    id: str
    phase: FailoverPhase
    epoch: int
    site: str
    primary: bool
    newest: int | None
    allowed: tuple[FailoverOperation, ...]
    under_way: str = ""
    isolation_seconds: int = 0
    failover: FailoverEntry | None = None
    requests: tuple[SiteRequest, ...] = ()
    stood_down: tuple[StoodDown, ...] = ()
    runs: tuple[ReplicaState, ...] = ()
