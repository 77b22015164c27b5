"""Health, as an operator wants to see it first."""

from typing import Literal, TypeAlias

from understudy.engine.answers import Disk, Progress, VaultPlace
from understudy.engine.immutability import Immutability
from understudy.engine.jobs import Failure
from understudy.engine.policy import ReplicationPolicy
from understudy.engine.retention import Policy
from understudy.engine.second import Second
from understudy.engine.standby import Standby
from understudy.engine.values import Value

Health: TypeAlias = Literal["normal", "warning", "critical"]
Phase: TypeAlias = Literal["initial", "protected", "resynchronizing", "paused", "waiting", "stopped", "halted", "standby"]


class Reason(Value, frozen=True):
    """Why a health is not normal. `code` is stable; `hint` says what to do."""

    code: str
    health: Health
    message: str
    hint: str = ""


class RpoSample(Value, frozen=True):
    at: int
    seconds: float


class CycleFigures(Value, frozen=True):
    """Over the last cycles of this daemon's run, at most 100. Bytes are those stored."""

    count: int = 0
    average_seconds: float = 0.0
    maximum_seconds: float = 0.0
    average_bytes: int = 0
    maximum_bytes: int = 0
    missed: int = 0
    """Cycles that were due and did not begin before the next one was."""


class CycleTotals(Value, frozen=True):
    """Since this daemon began; they only grow. `missed` as in CycleFigures."""

    made: int = 0
    failed: int = 0
    missed: int = 0
    seconds: float = 0.0
    read_bytes: int = 0
    stored_bytes: int = 0


class MachineStatus(Value, frozen=True):
    """`rpo_seconds` was computed at `computed_at`; None: there is no point yet. `pending_bytes`: known to be dirty and not yet sent, None:
    unknown."""

    id: str
    name: str
    source: str
    health: Health
    reasons: tuple[Reason, ...]
    phase: Phase
    policy: ReplicationPolicy
    retention: Policy | None
    computed_at: int
    rpo_seconds: float | None = None
    warning_rpo: float = 0.0
    critical_rpo: float = 0.0
    """The ages at which health changes: the policy's, or those derived from its interval."""
    rpo_history: tuple[RpoSample, ...] = ()
    newest_point: int | None = None
    newest_frozen_at: int | None = None
    points: int = 0
    disks: tuple[Disk, ...] = ()
    method: str = ""
    cycles: CycleFigures = CycleFigures()
    totals: CycleTotals = CycleTotals()
    progress: Progress | None = None
    """Of the cycle that runs now."""
    pending_bytes: int | None = None
    next_at: int | None = None
    failures: int = 0
    last_error: Failure | None = None
    """Of the last cycle that failed, also when others succeeded since; `failures` says how many did in a row until now."""
    last_error_at: int | None = None
    verified_at: int | None = None
    verified_point: int | None = None
    drilled_at: int | None = None
    immutable: Immutability | None = None
    """None: it is not to be, or was not looked after yet."""
    vault_seen_at: int | None = None
    second: Second | None = None
    """Its copy in a second vault."""
    standby: Standby | None = None
    """What this host keeps of it. In phase `standby` that is all that it does: what is said of cycles and of the RPO is not known here."""
    standby_progress: Progress | None = None
    """Of the step by which it is brought on now."""
    """When the vault last answered."""


class ServiceHealth(Value, frozen=True):
    """The daemon's own. `loop_lag_seconds`: how late its event loop was, at worst, in the last minute."""

    health: Health
    reasons: tuple[Reason, ...]
    version: str
    site: str
    vault: str
    vault_id: str
    started_at: int
    now: int
    machines: int
    running_cycles: int
    running_jobs: int
    loop_lag_seconds: float
    tasks: int
    """Of its event loop: some for each machine, request and job."""
    resident_bytes: int
    libraries: dict[str, str]
    """Providers and versions of the native libraries, python, msgspec, aiohttp."""
    place: VaultPlace = VaultPlace()
    """What the vault's place is, as far as it was opened."""
