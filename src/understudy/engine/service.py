"""What the daemon offers beyond the Engine: machines that run by themselves, jobs, events, health."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from understudy.engine.answers import VaultInfo
from understudy.engine.checks import Check, Checks
from understudy.engine.drills import Drill, Evidence
from understudy.engine.failover import Authority
from understudy.engine.jobs import Event, Job, JobKind, JobState
from understudy.engine.networks import MachineNetworks, ShownNetworks
from understudy.engine.plans import AnswerStep, PlanChecked, PlanRun, PlanRunEntry, RunPlan
from understudy.engine.policy import ReplicationPolicy
from understudy.engine.protocol import Engine
from understudy.engine.readiness import Readiness
from understudy.engine.status import MachineStatus, ServiceHealth
from understudy.engine.values import Value


class StartJob(Value, frozen=True):
    """`parameters`: the fields of the facade's request of that kind but `machine`, which is a name or an id here. `key`: an idempotency
    key; the same one of the same actor gives the job that it gave the first time, and Conflict if the request differs.

    kind         machine  parameters of          result
    replicate    yes      {app_consistent}       Cycle
                 None     {group, app_consistent} GroupCycle
    restore      yes      Restore                Restored
                 None     RestoreGroup           GroupRestored
    verify       yes      Verify                 Verified
                 None     none: scrub the vault  Verified
    prune        yes      Prune                  Pruned
    collect      yes      Collect                Collected
    seed-export  yes      SeedExport             Seeded
    seed-import  None     SeedImport             Seeded
    follow-standby yes    FollowStandby          Restored
    profile      yes      Profile                Profiled
    failover, change-point, cancel-failover, start-again, commit-failover, reprotect:
                 yes      FailOver, ChangePoint, CancelFailover, StartAgain, CommitFailover, Reprotect   FailedOver
    test-failover yes     StartDrill             Drill
    drill-cleanup yes     CleanUpDrill           Drill
    plan         None     RunPlan                PlanRunEntry
    """

    kind: JobKind
    machine: str | None
    parameters: dict[str, Any]
    actor: str
    key: str = ""


class JobQuery(Value, frozen=True):
    """Newest first. `before`: only jobs older than the one with this id."""

    machine: str | None = None
    states: tuple[JobState, ...] = ()
    before: str | None = None
    limit: int = 50


class EventQuery(Value, frozen=True):
    """Oldest first, after event `after`; None: the newest `limit`. `kinds`: only these, without any: all; `without`: but not these."""

    after: int | None = None
    machine: str | None = None
    kinds: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    limit: int = 100


class Service(Protocol):
    """Everything raises `UnderstudyError`. `machine` is a name or an id."""

    @property
    def engine(self) -> Engine:
        """Short operations. It is the service's own: its scheduler hears of every machine that is protected, renewed or left through it."""
        ...

    async def health(self) -> ServiceHealth: ...

    async def vault(self) -> VaultInfo: ...

    async def statuses(self) -> tuple[MachineStatus, ...]: ...

    async def status(self, machine: str) -> MachineStatus: ...

    async def set_policy(self, machine: str, policy: ReplicationPolicy, actor: str) -> ReplicationPolicy: ...

    async def authority(self, machine: str) -> Authority:
        """Where a machine stands between protection and failover, and what can be done here now."""
        ...

    async def drop_run(self, machine: str, run: str, actor: str) -> Authority:
        """What a run that was given up wrote is gone for good, and its point not held for it any more. `Conflict` for any other run."""
        ...

    async def set_isolation(self, machine: str, seconds: int, actor: str) -> Authority:
        """After how long without the vault its primary, this site, pauses it; 0: never."""
        ...

    async def networks(self, machine: str) -> ShownNetworks:
        """What the machine's network cards become on this site, and what is in the way of that now."""
        ...

    async def set_networks(self, machine: str, own: MachineNetworks | None, actor: str) -> ShownNetworks:
        """How the machine comes up on this site from now on; None: as its definition and the site's rules say."""
        ...

    async def check(self, machine: str, actor: str) -> Readiness:
        """Look whether the machine could be started on this site now, and remember what was found."""
        ...

    async def readiness(self, machine: str) -> Readiness:
        """As it was looked at last. `NotFound` if it never was."""
        ...

    async def checks(self, machine: str) -> Checks:
        """How it is found out on this site that a copy of the machine is well."""
        ...

    async def set_checks(self, machine: str, checks: tuple[Check, ...] | None, actor: str) -> Checks:
        """From now on; None: as it follows from what the machine is."""
        ...

    async def drills(self, machine: str | None) -> tuple[Drill, ...]:
        """Test failovers of this site, newest first; None: of all machines."""
        ...

    async def drill(self, drill: str) -> Drill:
        """By its id, or how that begins."""
        ...

    async def evidence(self, drill: str) -> Evidence: ...

    async def start(self, request: StartJob) -> Job:
        """Durable when it returns."""
        ...

    async def jobs(self, query: JobQuery) -> tuple[Job, ...]: ...

    async def job(self, job: str) -> Job: ...

    async def cancel(self, job: str, actor: str) -> Job:
        """Conflict names the state if it cannot be cancelled any more."""
        ...

    async def check_plan(self, request: RunPlan) -> PlanChecked:
        """A dry run of a recovery plan; changes nothing."""
        ...

    async def plan_runs(self) -> tuple[PlanRunEntry, ...]:
        """Newest first: those that go on, and those that the vault has a report of."""
        ...

    async def plan_run(self, run: str) -> PlanRun:
        """As it is now, or its report."""
        ...

    async def answer_plan(self, run: str, answer: AnswerStep, actor: str) -> PlanRun:
        """Durable when it returns. Conflict names what may be said instead."""
        ...

    async def events(self, query: EventQuery) -> tuple[Event, ...]: ...

    def follow(self, after: int | None) -> AsyncIterator[Event | Job]:
        """Events after `after` (None: from now on), and every change of a job, as they come. A reader that is too slow is ended with an
        error rather than held in memory without bound; it goes on after its last event's id."""
        ...

    async def audit(self, actor: str, action: str, data: dict[str, Any]) -> None:
        """Remember who asked for what (an event of kind `request`), durably, before it is done."""
        ...

    def names(self) -> Sequence[str]:
        """Machines this host follows, for completion."""
        ...
