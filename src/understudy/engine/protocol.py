"""The facade itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from understudy.engine.answers import (
    Cycle,
    Key,
    KeyRemoved,
    OnProgress,
    Points,
    Protected,
    Restored,
    Seeded,
    Unprotected,
    VaultInfo,
    Verified,
)
from understudy.engine.definition import SetDefinition, ShownDefinition
from understudy.engine.groups import CreateGroup, Group, GroupReplication, GroupRestored, Instant, RestoreGroup
from understudy.engine.plans import PlanEntry, PlanRun, PlanRunEntry, SetPlan, ShownPlan
from understudy.engine.profiling import Profile, Profiled
from understudy.engine.requests import (
    AddKey,
    Connection,
    CreateVault,
    Protect,
    Restore,
    RotateKey,
    SeedExport,
    SeedImport,
    Unprotect,
    Verify,
)
from understudy.engine.retention import AddHold, Hold, Prune, Pruned, RemoveHold, Retention, SetRetention
from understudy.engine.space import Collect, Collected, Usage
from understudy.engine.standby import CreateStandby, DropOrphan, FollowStandby, Orphan, RemoveStandby, SetStandby, Standby


class Replication(Protocol):
    """A machine that this process owns, ready for the next cycle."""

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> Cycle:
        """Make one point, app-consistent if that is wished for and succeeds.

        After a retryable error it may be called again; cancelled, the cycle is given up cleanly."""
        ...

    async def pending(self) -> int | None:
        """Between cycles: bytes known to be changed since the newest point; None: unknown."""
        ...


class Engine(Protocol):
    """Everything raises `UnderstudyError`. `machine` is a name or an id."""

    async def create_vault(self, request: CreateVault) -> VaultInfo: ...

    async def vault(self) -> VaultInfo: ...

    async def keys(self) -> tuple[Key, ...]: ...

    async def add_key(self, request: AddKey) -> Key: ...

    async def rotate_key(self, request: RotateKey) -> Key: ...

    async def remove_key(self, slot: str) -> KeyRemoved: ...

    async def protect(self, request: Protect) -> Protected: ...

    async def unprotect(self, request: Unprotect) -> Unprotected: ...

    def replicate(self, machine: str) -> AbstractAsyncContextManager[Replication]:
        """Own the machine until the context is left; `Busy` names the process that owns it already."""
        ...

    async def groups(self) -> tuple[Group, ...]:
        """This host's consistency groups."""
        ...

    async def create_group(self, request: CreateGroup) -> Group: ...

    async def remove_group(self, name: str) -> Group:
        """Forget a group; its machines and their points stay."""
        ...

    def replicate_group(self, name: str) -> AbstractAsyncContextManager[GroupReplication]:
        """Own all members until the context is left; `Busy` names the process that owns one already."""
        ...

    async def instants(self) -> tuple[Instant, ...]:
        """Of all groups of this vault, whatever host they were frozen on; oldest first."""
        ...

    async def restore_group(self, request: RestoreGroup, progress: OnProgress) -> GroupRestored: ...

    async def points(self, machine: str) -> Points: ...

    async def restore(self, request: Restore, progress: OnProgress) -> Restored: ...

    async def verify(self, request: Verify, progress: OnProgress) -> Verified: ...

    async def collect(self, request: Collect) -> Collected: ...

    async def usage(self, machine: str) -> Usage: ...

    async def scrub(self, progress: OnProgress) -> Verified:
        """Hash every pack and object that names its own hash, without any key."""
        ...

    async def definition(self, machine: str) -> ShownDefinition: ...

    async def set_definition(self, request: SetDefinition) -> SetDefinition:
        """The request as it counts from now on."""
        ...

    async def retention(self, machine: str) -> Retention: ...

    async def set_retention(self, request: SetRetention) -> Retention: ...

    async def prune(self, request: Prune) -> Pruned:
        """Decide on every point; drop those that nothing keeps, unless it is a dry run."""
        ...

    async def holds(self, machine: str) -> tuple[Hold, ...]: ...

    async def add_hold(self, request: AddHold) -> Hold: ...

    async def remove_hold(self, request: RemoveHold) -> Hold: ...

    async def plans(self) -> tuple[PlanEntry, ...]:
        """The vault's recovery plans, by name."""
        ...

    async def plan(self, name: str) -> ShownPlan: ...

    async def set_plan(self, request: SetPlan) -> ShownPlan:
        """With an operator's key only."""
        ...

    async def remove_plan(self, name: str) -> PlanEntry:
        """What was removed; reports of its runs stay."""
        ...

    async def plan_reports(self) -> tuple[PlanRunEntry, ...]:
        """Of the runs that the vault has a report of, oldest first."""
        ...

    async def plan_report(self, run: str) -> PlanRun: ...

    async def export_seed(self, request: SeedExport, progress: OnProgress) -> Seeded: ...

    async def import_seed(self, request: SeedImport, progress: OnProgress) -> Seeded: ...

    async def profile(self, request: Profile, progress: OnProgress) -> Profiled:
        """Count a machine's changes for a while, beside its replication."""
        ...

    async def standbys(self) -> tuple[Standby, ...]:
        """Those that this host keeps, by name."""
        ...

    async def standby(self, machine: str) -> Standby: ...

    async def create_standby(self, request: CreateStandby) -> Standby:
        """On record; its images are made by following."""
        ...

    async def set_standby(self, request: SetStandby) -> Standby: ...

    async def remove_standby(self, request: RemoveStandby) -> Standby:
        """As it was."""
        ...

    async def follow_standby(self, request: FollowStandby, progress: OnProgress) -> Restored: ...

    async def orphans(self, machine: str) -> tuple[Orphan, ...]: ...

    async def drop_orphan(self, request: DropOrphan) -> Orphan:
        """As it was."""
        ...


EngineFactory: TypeAlias = Callable[[Connection], AbstractAsyncContextManager[Engine]]
