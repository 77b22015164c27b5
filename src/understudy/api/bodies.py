"""What may be sent. Paths are the daemon's host's, and absolute. A field that is not here is refused."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from understudy.api.parts import AbsolutePath, CheckPart, CredentialPart, HarmlessCheckPart, Identifier, PathOrNothing, SourcePart, Words
from understudy.api.queries import Name, Number
from understudy.engine import (
    AddKey,
    CreateGroup,
    DrillNetwork,
    ImageFormat,
    Level,
    MachineNetworks,
    NicSetting,
    Placement,
    PlanKind,
    PlanPoint,
    Policy,
    Protect,
    ReplicationPolicy,
    Times,
    Value,
    Window,
)
from understudy.engine.profiling import LEAST_EVERY, LONGEST

_MONTH = 30 * 86400
_YEAR = 366 * 86400

Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Many: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=_MONTH)]
TimeOfDay: TypeAlias = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
EndOfDay: TypeAlias = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


WordsOrNothing: TypeAlias = Annotated[str, msgspec.Meta(pattern="^([^\\x00-\\x1f\\x7f-\\xa0]*)$", max_length=1000)]
Interface: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F.:]{2,45}/[0-9]{1,3}$")]
Server: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F.:]{2,45}$")]


class ProtectBody(Protect, frozen=True, forbid_unknown_fields=True):
    """Follow a machine from this host."""

    name: Name
    source: SourcePart


class FailOverBody(Value, frozen=True, forbid_unknown_fields=True):
    """Start a machine on this site, as itself. `point`: an id, or latest-processed; for an unplanned one."""

    mode: Literal["planned", "unplanned"]
    point: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{32}|latest-processed)?$")] = ""
    force: bool = False
    reason: Annotated[str, msgspec.Meta(pattern="^[^\\x00-\\x1f\\x7f-\\x9f]{0,1000}$")] = ""


class ChangePointBody(Value, frozen=True, forbid_unknown_fields=True):
    """Another point to go on from, before the commit."""

    point: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]


class IsolationBody(Value, frozen=True, forbid_unknown_fields=True):
    """Seconds without the vault after which a machine is paused; 0: never."""

    seconds: Annotated[int, msgspec.Meta(ge=0, le=86400)]


class WindowBody(Window, frozen=True, forbid_unknown_fields=True):
    """When data is sent no faster than `rate` bytes a second, or with 0 not at all."""

    begin: TimeOfDay
    end: EndOfDay
    rate: Bytes


class TimesBody(Times, frozen=True, forbid_unknown_fields=True):
    """Local times of day, on these days; none: every day."""

    begin: TimeOfDay
    end: EndOfDay


class PolicyBody(ReplicationPolicy, frozen=True, forbid_unknown_fields=True):
    """How a machine is replicated from now on."""

    interval: Annotated[float, msgspec.Meta(ge=1, le=_MONTH)] = 60.0
    warning_rpo: Seconds = 0.0
    critical_rpo: Seconds = 0.0
    app_every: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    rate: Bytes = 0
    windows: Annotated[tuple[WindowBody, ...], msgspec.Meta(max_length=100)] = ()
    initial_at: Number | None = None
    verify_every: Annotated[float, msgspec.Meta(ge=0, le=_YEAR)] = 86400.0
    drill_every: Annotated[float, msgspec.Meta(ge=0, le=_YEAR)] = 0.0
    drill_times: TimesBody | None = None
    drill_warning: Annotated[float, msgspec.Meta(ge=0, le=10 * _YEAR)] = 90 * 86400.0
    second: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    immutable: Annotated[float, msgspec.Meta(ge=0, le=10 * _YEAR)] = 0.0


class DefinitionBody(Value, frozen=True, forbid_unknown_fields=True):
    """What a machine is started from, in TOML; null: what each of its points says."""

    text: Annotated[str, msgspec.Meta(max_length=65536)] | None


class NicBody(NicSetting, frozen=True, forbid_unknown_fields=True):
    """One network card. `network`: bridge:NAME, tap:INTERFACE, tap:INTERFACE@NAMESPACE, user, user:open,PORT-PORT or none."""

    network: Annotated[str, msgspec.Meta(max_length=100)] = ""
    mac: Annotated[str, msgspec.Meta(pattern="^(keep|new|[0-9a-f]{2}(:[0-9a-f]{2}){5})?$")] = ""
    addresses: Annotated[tuple[Interface, ...], msgspec.Meta(max_length=16)] = ()
    gateway: Annotated[str, msgspec.Meta(pattern="^[0-9a-fA-F.:]{0,45}$")] = ""
    servers: Annotated[tuple[Server, ...], msgspec.Meta(max_length=16)] = ()


class PlacementBody(Placement, frozen=True, forbid_unknown_fields=True):
    """A machine's network cards by their names in its definition."""

    nics: Annotated[Mapping[Name, NicBody], msgspec.Meta(max_length=64)] = msgspec.field(default_factory=dict)


class NetworksBody(MachineNetworks, frozen=True, forbid_unknown_fields=True):
    """How a machine comes up on this site from now on, in failovers and in tests."""

    failover: PlacementBody = PlacementBody()
    test: PlacementBody = PlacementBody()
    name: Annotated[str, msgspec.Meta(pattern="^[^\\x00-\\x1f\\x7f-\\x9f]*$", max_length=128)] = ""


class RetentionBody(Policy, frozen=True, forbid_unknown_fields=True):
    """Which points a prune keeps from now on: all of the newest `all_for` seconds; the newest of each of so many hours, days …"""

    all_for: Annotated[int, msgspec.Meta(ge=0, le=100 * _YEAR)] = 0
    hourly: Many = 0
    daily: Many = 0
    weekly: Many = 0
    monthly: Many = 0
    least: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class ReplicateBody(Value, frozen=True, forbid_unknown_fields=True):
    """Make one point now."""

    app_consistent: bool = False


class RestoreBody(Value, frozen=True, forbid_unknown_fields=True):
    """Write a point's disks to `targets`: disk name to path; disks not named there are left out."""

    point: Identifier
    format: ImageFormat
    targets: Annotated[dict[Name, AbsolutePath], msgspec.Meta(min_length=1)]
    overwrite: bool = False


class RestoreGroupBody(Value, frozen=True, forbid_unknown_fields=True):
    """Write all disks of an instant. `targets`: for each machine (its id) disk names to paths."""

    format: ImageFormat
    targets: Annotated[dict[Identifier, dict[Name, AbsolutePath]], msgspec.Meta(min_length=1)]
    overwrite: bool = False


class VerifyBody(Value, frozen=True, forbid_unknown_fields=True):
    """Prove these points, by their ids."""

    points: Annotated[tuple[Identifier, ...], msgspec.Meta(min_length=1)]
    level: Level = "digest"


class PruneBody(Value, frozen=True, forbid_unknown_fields=True):
    """`dry_run`: only say which points would go."""

    dry_run: bool = False


class CollectBody(Value, frozen=True, forbid_unknown_fields=True):
    """`grace_seconds`: for so long readers may go on reading what is condemned now."""

    grace_seconds: Annotated[int, msgspec.Meta(ge=0, le=366 * 86400)] = 86400
    dry_run: bool = False


class SeedExportBody(Value, frozen=True, forbid_unknown_fields=True):
    """Put a point into `directory`; none: the initial replication, before there is any point."""

    directory: AbsolutePath
    point: Identifier | None = None


class SeedImportBody(Value, frozen=True, forbid_unknown_fields=True):
    """Bring what was exported to `directory` into the vault."""

    directory: AbsolutePath


class ChecksBody(Value, frozen=True, forbid_unknown_fields=True):
    """How it is known that a copy of the machine is well, from now on."""

    checks: Annotated[tuple[CheckPart, ...], msgspec.Meta(max_length=20)]


class TestFailoverBody(Value, frozen=True, forbid_unknown_fields=True):
    """Start a copy of a point. `point`: an id, latest, latest-app or latest-processed. `checks`: in the place of the machine's own."""

    __test__: ClassVar[bool] = False

    point: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{32}|latest|latest-app|latest-processed)$")] = "latest"
    network: DrillNetwork = "isolated"
    checks: Annotated[tuple[HarmlessCheckPart, ...], msgspec.Meta(max_length=20)] | None = None
    cleanup: bool = False
    keep_for: Seconds = 0.0
    note: WordsOrNothing = ""


class DrillCleanupBody(Value, frozen=True, forbid_unknown_fields=True):
    """Remove what a test started. `drill`: its id or how that begins; empty: the machine's only one. `passed`: what an operator says."""

    drill: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{0,32}$")] = ""
    passed: bool | None = None
    note: WordsOrNothing = ""


class StandbyBody(Value, frozen=True, forbid_unknown_fields=True):
    """Keep images of a machine's disks: in `directory`, single ones where `images` says. `adopt`: what is there is compared and changed."""

    directory: PathOrNothing = ""
    images: Annotated[dict[Name, AbsolutePath], msgspec.Meta(max_length=1000)] = msgspec.field(default_factory=dict)
    format: ImageFormat = "raw"
    adopt: bool = False


class PausedBody(Value, frozen=True, forbid_unknown_fields=True):
    """Whether a standby rests."""

    paused: bool


class FollowStandbyBody(Value, frozen=True, forbid_unknown_fields=True):
    """`prove`: read all of the images and compare."""

    prove: bool = False


class ProfileBody(Value, frozen=True, forbid_unknown_fields=True):
    """Count for so many seconds; `every`: the shortest span that is counted."""

    seconds: Annotated[float, msgspec.Meta(ge=LEAST_EVERY, le=LONGEST)] = 600.0
    every: Annotated[float, msgspec.Meta(ge=LEAST_EVERY, le=LONGEST)] = 10.0


class HoldBody(Value, frozen=True, forbid_unknown_fields=True):
    """Keep a point whatever a policy says. `point`: its id."""

    point: Identifier
    reason: Words


class GroupBody(CreateGroup, frozen=True, forbid_unknown_fields=True):
    """Make a group of machines (names or ids) that this host follows."""

    name: Name
    machines: Annotated[tuple[Name, ...], msgspec.Meta(min_length=2, max_length=64)]


class PlanBody(Value, frozen=True, forbid_unknown_fields=True):
    """A recovery plan, in TOML."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=262144)]


class CheckPlanBody(Value, frozen=True, forbid_unknown_fields=True):
    """What a run would do, and with which points. `cleanup`: what a test starts would be removed, and nobody asked before."""

    kind: PlanKind
    point: PlanPoint = "latest"
    revision: Number = 0
    cleanup: bool = False


class RunPlanBody(CheckPlanBody, frozen=True, forbid_unknown_fields=True):
    """`revision`: only if the plan is still the one that was looked at; 0: whatever it is now. `reason`: for the report.
    `cleanup`: what a test has started is removed in the end, and nobody is asked before."""

    reason: WordsOrNothing = ""


class AnswerBody(Value, frozen=True, forbid_unknown_fields=True):
    """`step` may be left out where one step alone asks, and to abort. `note`: for the report."""

    step: Annotated[str, msgspec.Meta(pattern="^([0-9]{1,3}[.][a-z]{1,7}([.][0-9]{1,4})?)?$")] = ""
    note: WordsOrNothing = ""


class AddKeyBody(AddKey, frozen=True, forbid_unknown_fields=True):
    """Make a key."""

    label: Name
    credential: CredentialPart


class RotateKeyBody(Value, frozen=True, forbid_unknown_fields=True):
    """Open the same identity with `credential` from now on."""

    credential: CredentialPart
