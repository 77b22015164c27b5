"""What the daemon knows of one machine, and how that is shown."""

import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from understudy.engine import (
    BlockSource,
    Cycle,
    CycleFigures,
    CycleTotals,
    Disk,
    Failure,
    Immutability,
    MachineSource,
    MachineStatus,
    Phase,
    Policy,
    Progress,
    Reason,
    ReplicationPolicy,
    RpoSample,
)
from understudy.errors import UnderstudyError
from understudy.local.here import Here
from understudy.scheduler.health import Facts, health_of
from understudy.scheduler.pace import expected, thresholds
from understudy.scheduler.retry import Kind, Verdict
from understudy.scheduler.slots import LONG, weight
from understudy.scheduler.upkeep import Care
from understudy.scheduler.windows import holds

KEPT = 100
"""Cycles that figures are of."""
LATELY = 10
HISTORY = 240


@dataclass(slots=True)
class Track:
    """Ages are counted by the monotonic `clock`, so that no jump of the wall clock makes a point older or younger."""

    id: str
    policy: ReplicationPolicy
    clock: Callable[[], float] = time.monotonic
    name: str = ""
    source: str = ""
    retention: Policy | None = None
    points: int = 0
    newest: int | None = None
    newest_frozen_at: int | None = None
    frozen: float | None = None
    """When the newest point was frozen, by `clock`."""
    disks: tuple[Disk, ...] = ()
    method: str = ""
    downgrade: str = ""
    pending: int | None = None
    """Bytes known to be changed, as they were when that was asked last."""
    began: float | None = None
    """When the last cycle began."""
    since: float = 0.0
    """When it could first begin."""
    running: bool = False
    waiting: bool = False
    closed: bool = False
    due_at: int | None = None
    progress: Progress | None = None
    resync: str = ""
    """Why the cycle that runs is a resynchronization; empty if it is none."""
    cycles: deque[Cycle] = field(default_factory=lambda: deque(maxlen=KEPT))
    transfers: tuple[float, ...] = ()
    """Seconds from freeze to commit of those, newest last."""
    figures: CycleFigures = field(default_factory=CycleFigures)
    late: deque[int] = field(default_factory=lambda: deque(maxlen=LATELY))
    missed: int = 0
    history: tuple[RpoSample, ...] = ()
    failure: Failure | None = None
    """That of the newest cycle."""
    last_failure: Failure | None = None
    failed_at: int | None = None
    verdict: Verdict | None = None
    failures: int = 0
    totals: CycleTotals = field(default_factory=CycleTotals)
    verified: tuple[int, int] | None = None
    proven: float = 0.0
    """When the newest verified point was, by `clock`."""
    drilled: int | None = None
    """When the last test failover began (wall-clock ns)."""
    drill_failure: str = ""
    tested: float = 0.0
    """When that was, by `clock`."""
    stands: int | None = None
    """When the test failover of it began that stands on this host (wall-clock ns)."""
    stands_until: int | None = None
    """When that is removed by itself; None: when somebody says so."""
    seen_at: int | None = None
    operator: bool = True
    """Whether our key may prune and verify."""
    damage: str = ""
    """What the last verification found."""
    doubt: str = ""
    """Why its own policy could not be read."""
    immutable: Immutability | None = None
    halted: Reason | None = None
    """Why no cycle is made: the machine was shut down for a failover, or another site is its primary."""

    def __post_init__(self) -> None:
        self.since = self.clock()
        self.name = self.name or self.id

    def learn(self, here: Here, operator: bool) -> None:
        """How it stands in the vault."""
        machine = here.machine
        self.name, self.source, self.retention, self.operator = machine.name, described(here.source), here.retention, operator
        if here.verified is not None and here.verified != self.verified:
            self.proven = self.clock() - max(0.0, (time.time_ns() - here.verified[1]) / 1e9)
        self.verified = here.verified
        if here.drill is not None and here.drill.began_at != self.drilled:
            self.drilled = here.drill.began_at
            self.tested = self.clock() - max(0.0, (time.time_ns() - self.drilled) / 1e9)
            self.drill_failure = "" if here.drill.outcome == "passed" else here.drill.checks or here.drill.note or "nobody said why"
        self.points, self.seen_at = machine.points, time.time_ns()
        point = machine.newest
        if point is not None:
            self.disks = point.disks
        if point is not None and point.number != self.newest:
            self.newest, self.newest_frozen_at, self.method = point.number, point.frozen_at, point.method
            self.frozen = self.clock() - max(0.0, (time.time_ns() - point.frozen_at) / 1e9)

    def follow(self, now: Progress) -> None:
        """The cycle that runs is there."""
        self.progress, self.resync = now, now.reason or self.resync

    def over(self) -> None:
        """No cycle runs."""
        self.running, self.progress, self.resync = False, None, ""

    def made(self, cycle: Cycle) -> None:
        """A point was committed just now."""
        self.cycles.append(cycle)
        # Once a cycle, not once a question: many machines are asked about all the time.
        self.transfers = tuple(_transfer(cycle) for cycle in self.cycles)
        self.figures = figures_of(self.cycles)
        self.newest, self.newest_frozen_at, self.method, self.points = cycle.number, cycle.frozen_at, cycle.method, self.points + 1
        self.frozen = self.clock() - _transfer(cycle)
        self.seen_at, self.pending = time.time_ns(), None
        self.totals = msgspec.structs.replace(
            self.totals,
            made=self.totals.made + 1,
            seconds=self.totals.seconds + cycle.seconds,
            read_bytes=self.totals.read_bytes + cycle.read_bytes,
            stored_bytes=self.totals.stored_bytes + cycle.stored_bytes,
        )
        self.failure, self.verdict, self.failures = None, None, 0
        if cycle.downgrade or cycle.consistency == "app":
            self.downgrade = cycle.downgrade

    def failed(self, error: BaseException, verdict: Verdict) -> None:
        self.failures += 1
        self.totals = msgspec.structs.replace(self.totals, failed=self.totals.failed + 1)
        self.verdict, self.failure, self.failed_at = verdict, failure_of(error), time.time_ns()
        self.last_failure = self.failure

    def sample(self, at: int) -> None:
        """Keep the RPO as it is now; `at`: wall-clock ns."""
        if self.rpo is not None:
            self.history = (*self.history[1 - HISTORY :], RpoSample(at=at, seconds=round(self.rpo, 3)))

    @property
    def rpo(self) -> float | None:
        return None if self.frozen is None else max(self.clock() - self.frozen, 0.0)

    @property
    def verified_age(self) -> float | None:
        return max(self.clock() - self.proven, 0.0) if self.verified else None

    @property
    def drilled_age(self) -> float | None:
        return None if self.drilled is None else max(self.clock() - self.tested, 0.0)

    @property
    def deadline(self) -> float:
        """When, by `clock`, its RPO is lost unless its next cycle begins by then."""
        since = self.since if self.frozen is None else self.frozen
        return since + thresholds(self.policy).warning - expected(self.transfers)

    @property
    def weight(self) -> int:
        return weight([cycle.stored_bytes for cycle in self.cycles], self.newest is None)

    @property
    def slow(self) -> bool:
        return self.newest is None or expected([cycle.seconds for cycle in self.cycles]) > LONG

    @property
    def kind(self) -> Kind | None:
        return self.verdict.kind if self.verdict else None

    @property
    def phase(self) -> Phase:
        if self.halted is not None:
            return "halted"
        if self.policy.paused:
            return "paused"
        if self.kind is Kind.OVER:
            return "stopped"
        if self.waiting or (self.closed and not self.running):
            return "waiting"
        if self.newest is None:
            return "initial"
        return "resynchronizing" if self.resync else "protected"

    def facts(self) -> Facts:
        return Facts(
            name=self.name,
            policy=self.policy,
            rpo=self.rpo,
            followed_for=self.clock() - self.since,
            transfers=self.transfers,
            failure=self.failure,
            kind=self.kind,
            failures=self.failures,
            missed_lately=sum(map(bool, self.late)),
            closed=self.closed,
            waiting=self.waiting,
            downgrade=self.downgrade,
            resync=self.resync,
            verified_age=self.verified_age,
            can_verify=self.operator,
            can_prune=self.operator,
            has_retention=self.retention is not None,
            damage=self.damage,
            points=self.points,
            drilled_age=self.drilled_age,
            drill_failure=self.drill_failure,
            drill_stands=None if self.stands is None or self.stands_until else max(time.time_ns() - self.stands, 0) / 1e9,
            doubt=self.doubt,
            halted=self.halted,
            immutable=self.immutable if self.policy.immutable else None,
            immutable_left=self._immutable_left,
        )

    def care(self) -> Care:
        return Care(
            points=self.points,
            operator=self.operator,
            retention=self.retention is not None,
            verify_every=self.policy.verify_every,
            verified_age=self.verified_age,
            drill_every=self.policy.drill_every,
            drilled_age=self.drilled_age,
            drill_now=self.stands is None and (self.policy.drill_times is None or holds(self.policy.drill_times, datetime.now())),
        )

    def status(self) -> MachineStatus:
        health, reasons = health_of(self.facts())
        limits = thresholds(self.policy)
        return MachineStatus(
            id=self.id,
            name=self.name,
            source=self.source,
            health=health,
            reasons=reasons,
            phase=self.phase,
            policy=self.policy,
            retention=self.retention,
            warning_rpo=limits.warning,
            critical_rpo=limits.critical,
            computed_at=time.time_ns(),
            rpo_seconds=self.rpo,
            rpo_history=self.history,
            newest_point=self.newest,
            newest_frozen_at=self.newest_frozen_at,
            points=self.points,
            disks=self.disks,
            method=self.method,
            cycles=msgspec.structs.replace(self.figures, missed=self.missed),
            totals=msgspec.structs.replace(self.totals, missed=self.missed),
            progress=self.progress,
            pending_bytes=self._pending,
            next_at=self.due_at,
            failures=self.failures,
            last_error=self.last_failure,
            last_error_at=self.failed_at,
            verified_at=self.verified[1] if self.verified else None,
            verified_point=self.verified[0] if self.verified else None,
            drilled_at=self.drilled,
            immutable=self.immutable if self.policy.immutable else None,
            vault_seen_at=self.seen_at,
        )

    @property
    def _immutable_left(self) -> float | None:
        """By the wall clock, as locks are."""
        until = self.immutable.until if self.immutable is not None else None
        return None if until is None else max(until - time.time_ns(), 0) / 1e9

    @property
    def _pending(self) -> int | None:
        """While a cycle sends, what it has not sent yet."""
        now = self.progress
        if now is not None and now.phase == "transfer" and now.total is not None:
            return max(now.total - now.done, 0)
        return self.pending


def _transfer(cycle: Cycle) -> float:
    """Seconds from its freeze to its commit. Told by the wall clock, which may have been set meanwhile; a cycle's own time was not."""
    return min(max(cycle.rpo_seconds, 0.0), cycle.seconds)


def figures_of(cycles: Collection[Cycle]) -> CycleFigures:
    """Of at least one."""
    seconds, stored = [cycle.seconds for cycle in cycles], [cycle.stored_bytes for cycle in cycles]
    return CycleFigures(
        count=len(cycles),
        average_seconds=sum(seconds) / len(cycles),
        maximum_seconds=max(seconds),
        average_bytes=sum(stored) // len(cycles),
        maximum_bytes=max(stored),
    )


def described(source: MachineSource) -> str:
    """In a word for people."""
    if isinstance(source, BlockSource):
        return f"block {', '.join(source.disks.values())}"
    return f"qemu {source.qmp}"


def failure_of(error: BaseException) -> Failure:
    """An error of another family is a fault of ours."""
    if isinstance(error, UnderstudyError):
        return Failure(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
    return Failure(code=UnderstudyError.code, message=f"{type(error).__name__}: {error}", hint="this is a fault in understudy")
