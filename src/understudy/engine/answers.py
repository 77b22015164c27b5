"""What comes back, in the end and on the way."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from understudy.engine.values import Level, Role, SeedKind, Value

PlaceKind: TypeAlias = Literal["vault", "copy", "promoted", "given-up"]


class Progress(Value, frozen=True):
    """How far a long operation is. `total` is None while it is not known. `reason`: why a cycle is a resynchronization, if it is one."""

    phase: str
    done: int = 0
    total: int | None = None
    reason: str = ""


OnProgress: TypeAlias = Callable[[Progress], None]


class Disk(Value, frozen=True):
    name: str
    size: int
    sector: int


class PointGroup(Value, frozen=True):
    """The instant of a consistency group that a point belongs to. `missing`: members (names) whose points are not there."""

    instant: str
    name: str
    missing: tuple[str, ...]


class Point(Value, frozen=True):
    """A recovery point. `number` is its record's place in the machine's log."""

    number: int
    id: str
    frozen_at: int
    cause: str
    reason: str
    method: str
    consistency: str
    scanned_blocks: int
    changed_blocks: int
    zero_blocks: int
    stored_bytes: int
    seconds: float
    held: bool
    disks: tuple[Disk, ...]
    downgrade: str = ""
    """Why it is crash-consistent only, where app-consistent was wished for."""
    group: PointGroup | None = None
    verified_at: int | None = None
    """When its disks were proven and that was written down; None: never."""
    superseded: bool = False
    """The machine was failed over to an earlier point since, and has not gone on from this one."""
    final: bool = False
    """Its machine had shut down before."""
    immutable_until: int | None = None
    """Until when, at least, all that it needs is locked in the store, as far as this host knows."""


class Machine(Value, frozen=True):
    """A protected machine. `site`: the host that last claimed it; `here`: this host follows it."""

    id: str
    name: str
    epoch: int
    site: str
    here: bool
    points: int
    newest: Point | None


class Key(Value, frozen=True):
    """A key slot: an identity of this role and name opens with a credential of this kind. `current`: ours.

    Of a damaged one nobody can tell whose it is, and nobody can open it; `damage` says what is wrong with it.
    """

    slot: str
    role: Role | None
    label: str
    kind: Literal["passphrase", "key-file", "damaged"]
    current: bool
    damage: str = ""


class VaultPlace(Value, frozen=True):
    """What a place with a vault's objects is. `copy`: its id, where it is, or was, a copy. `at` (wall clock, ns): since when it is promoted
    or given up; `where`: the copy that a given up vault was given up for. Of a copy: `behind`: so many records were seen from here of the
    vault's logs that it has not, None: nothing was seen; `verified_at`: since then all its machines were verified from here."""

    kind: PlaceKind = "vault"
    copy: str = ""
    at: int | None = None
    where: str = ""
    behind: int | None = None
    verified_at: int | None = None


class VaultInfo(Value, frozen=True):
    """`role` and `identity` are those of the connection's credential. `damage`: what of the logs cannot be read, so that a machine
    may have more points than it seems."""

    id: str
    url: str
    role: Role
    identity: str
    keys: tuple[Key, ...]
    machines: tuple[Machine, ...]
    damage: tuple[str, ...] = ()
    place: VaultPlace = VaultPlace()


class KeyRemoved(Value, frozen=True):
    """`revoked`: that was its identity's last slot; nothing that it signs from now on counts."""

    slot: str
    label: str
    role: Role
    revoked: bool


class Found(Value, frozen=True):
    """What a probe of a machine's source showed. `quiesce`: with what app-consistent points would be made, in words."""

    kind: str
    method: str
    disks: tuple[Disk, ...]
    quiesce: str = ""
    excluded: tuple[str, ...] = ()
    """Disks that are left out by the operator's wish."""
    fleeting: tuple[str, ...] = ()
    """Disks that a restart of the VM always makes be read whole, since their images have no room for a record of changes."""


class Protected(Value, frozen=True):
    """`outcome`: a new machine, one that this host already followed (its configuration was renewed), or one taken up again."""

    machine: Machine
    found: Found
    outcome: Literal["created", "renewed", "adopted"]


class Unprotected(Value, frozen=True):
    """`cleaned`: the VM was visited and nothing of ours is left in it."""

    machine: Machine
    cleaned: bool


class Cycle(Value, frozen=True):
    """One replication cycle's outcome: a point. `rpo_seconds`: from its freeze to its commit.

    `paused_seconds`, `quiesced_seconds`: for how long the freeze held the VM, and the guest's file systems.
    """

    machine: str
    point: str
    number: int
    frozen_at: int
    cause: str
    reason: str
    method: str
    consistency: str
    scanned_blocks: int
    changed_blocks: int
    zero_blocks: int
    read_bytes: int
    stored_bytes: int
    seconds: float
    rpo_seconds: float
    downgrade: str = ""
    paused_seconds: float = 0.0
    quiesced_seconds: float = 0.0


class DroppedPoint(Value, frozen=True):
    """A point that pruning dropped, by record `prune`, written `at` (its writer's wall clock, ns)."""

    number: int
    id: str
    prune: int
    at: int


class Points(Value, frozen=True):
    """A machine's points, oldest first, and records that do not count, with the reason."""

    machine: Machine
    points: tuple[Point, ...]
    void: tuple[str, ...]
    damage: tuple[str, ...] = ()
    """What of the logs cannot be read: there may have been more points, and what was said of these may have changed."""
    dropped: tuple[DroppedPoint, ...] = ()
    """Oldest first, as far as the log still tells of them."""
    trimmed: int = 0
    """Records after the first up to this one are gone, or are going: of points that were dropped among them nothing more is known."""


class RestoredDisk(Value, frozen=True):
    """`trusted`: what the target was taken for (`known`: a point that it holds, `scan`: read and compared, because of `reason`,
    `new`: nothing)."""

    name: str
    path: str
    size: int
    trusted: Literal["known", "scan", "new"]
    known_point: str | None
    reason: str
    written_bytes: int
    zeroed_bytes: int
    proven: bool = True
    """False: what it held was known, and what differed was written, each piece authentic; the whole was not read again."""


class Restored(Value, frozen=True):
    machine: str
    point: Point
    seconds: float
    disks: tuple[RestoredDisk, ...]


class Seeded(Value, frozen=True):
    """What was exported or imported. `kind`: a point with its vault, or the packs of an initial replication whose point the next cycle
    makes. `copied` of the `objects` were not there yet, `copied_bytes` long."""

    kind: SeedKind
    machine: str | None
    point: Point | None
    directory: str
    objects: int
    copied: int
    copied_bytes: int
    seconds: float


class Damage(Value, frozen=True):
    """One thing that is not what was written: an object of the vault or a disk of a point, by name, and what is wrong with it.

    `points`: ids of those examined that need it; empty where nothing tells (a scrub without a key).
    """

    name: str
    reason: str
    points: tuple[str, ...] = ()


class Proven(Value, frozen=True):
    """One point's verdict; `damage` empty: it is whole."""

    number: int
    id: str
    damage: tuple[Damage, ...]


class Verified(Value, frozen=True):
    """A verification's outcome. `points` is empty for a scrub of the whole vault, `damage` holds everything found, once."""

    level: Level
    machine: str | None
    points: tuple[Proven, ...]
    objects: int
    read_bytes: int
    seconds: float
    damage: tuple[Damage, ...]
    unrecorded: str = ""
    """Why the vault does not know what was proven; empty if it does, or need not."""
