"""What an operator's front end may ask for, and the values that go to and fro: `cli/` and `api/` know nothing below this.

One Engine is bound to one vault, one credential and one state directory. Every value is frozen and encodes to JSON with its
own field names, which are stable. Times are wall-clock nanoseconds since the epoch, sizes are bytes, ids are lower-case hex.
"""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

import msgspec

from understudy.errors import InvalidRequest

Role: TypeAlias = Literal["source", "operator"]
Level: TypeAlias = Literal["scrub", "frames", "digest"]
ImageFormat: TypeAlias = Literal["raw", "qcow2"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def checked_name(kind: str, name: str) -> str:
    """`name` if it may name a machine, disk or key (it becomes part of file names); else InvalidRequest."""
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"{name!r} cannot name a {kind}",
            hint="A name has 1 to 63 letters, digits, dots, dashes and underscores, and starts with a letter or digit.",
        )
    return name


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value of the facade."""


# Who asks, and with what.


class KeyFile(Value, frozen=True, tag_field="kind", tag="key-file"):
    """A file that holds a key. Where a new key is wanted and the file does not exist, it is made with mode 0600."""

    path: str


class Passphrase(Value, frozen=True, tag_field="kind", tag="passphrase"):
    """A secret that a person knows. Never shown."""

    text: str

    def __repr__(self) -> str:
        return "Passphrase(…)"


Credential: TypeAlias = KeyFile | Passphrase


class Connection(Value, frozen=True):
    """Which vault, opened how, remembered where. `credential` None: only what needs no key can be done."""

    vault: str
    state_dir: str
    credential: Credential | None = None


# How this host reads a machine. This is also the form of the machine's file in the state directory.


class QemuSource(Value, frozen=True, tag_field="kind", tag="qemu"):
    """A running QEMU by its QMP socket; `disks` maps disk names to node names, empty: every disk with a medium."""

    qmp: str
    disks: dict[str, str] = {}


class BlockSource(Value, frozen=True, tag_field="kind", tag="block"):
    """Files or block devices: disk names to absolute paths."""

    disks: dict[str, str]


MachineSource: TypeAlias = QemuSource | BlockSource


# Requests.


class CreateVault(Value, frozen=True):
    """Make a vault; the connection's credential becomes its first operator key, named `label`."""

    label: str


class AddKey(Value, frozen=True):
    """Make an identity with `role`, named `label`, opened by `credential`."""

    role: Role
    label: str
    credential: Credential


class RotateKey(Value, frozen=True):
    """Open the same identity with `credential` from now on, and no longer with slot `slot` (an id or a label)."""

    slot: str
    credential: Credential


class Protect(Value, frozen=True):
    """Follow a machine from this host. `adopt`: also if the vault says that another host does."""

    name: str
    source: MachineSource
    adopt: bool = False


class Unprotect(Value, frozen=True):
    """Stop following a machine. `forget`: its VM is gone for good, so nothing in it needs (or can have) cleaning."""

    name: str
    forget: bool = False


class Restore(Value, frozen=True):
    """Write a point's disks to `targets`: disk name to absolute path; disks not named there are left out."""

    machine: str
    point: str
    format: ImageFormat
    targets: dict[str, str]
    overwrite: bool = False


class Verify(Value, frozen=True):
    """Prove these points of a machine, at one level."""

    machine: str
    points: tuple[str, ...]
    level: Level


# Answers.


class Progress(Value, frozen=True):
    """How far a long operation is. `total` is None while it is not known."""

    phase: str
    done: int = 0
    total: int | None = None


OnProgress: TypeAlias = Callable[[Progress], None]


class Disk(Value, frozen=True):
    name: str
    size: int
    sector: int


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
    """A key slot: an identity of this role and name opens with a credential of this kind. `current`: ours."""

    slot: str
    role: Role
    label: str
    kind: Literal["passphrase", "key-file"]
    current: bool


class VaultInfo(Value, frozen=True):
    """`role` and `identity` are those of the connection's credential."""

    id: str
    url: str
    role: Role
    identity: str
    keys: tuple[Key, ...]
    machines: tuple[Machine, ...]


class KeyRemoved(Value, frozen=True):
    """`revoked`: that was its identity's last slot; nothing that it signs from now on counts."""

    slot: str
    label: str
    role: Role
    revoked: bool


class Found(Value, frozen=True):
    """What a probe of a machine's source showed."""

    kind: str
    method: str
    disks: tuple[Disk, ...]


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
    """One replication cycle's outcome: a point. `rpo_seconds`: from its freeze to its commit."""

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


class Points(Value, frozen=True):
    """A machine's points, oldest first, and records that do not count, with the reason."""

    machine: Machine
    points: tuple[Point, ...]
    void: tuple[str, ...]


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


class Restored(Value, frozen=True):
    machine: str
    point: Point
    seconds: float
    disks: tuple[RestoredDisk, ...]


class Damage(Value, frozen=True):
    """One thing that is not what was written: an object of the vault or a disk of a point, by name, and what is wrong with it."""

    name: str
    reason: str


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


class Replication(Protocol):
    """A machine that this process owns, ready for the next cycle."""

    async def cycle(self, progress: OnProgress) -> Cycle:
        """Make one point. After a retryable error it may be called again; cancelled, the cycle is given up cleanly."""
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

    async def points(self, machine: str) -> Points: ...

    async def restore(self, request: Restore, progress: OnProgress) -> Restored: ...

    async def verify(self, request: Verify, progress: OnProgress) -> Verified: ...

    async def scrub(self, progress: OnProgress) -> Verified:
        """Hash every pack and object that names its own hash, without any key."""
        ...


EngineFactory: TypeAlias = Callable[[Connection], AbstractAsyncContextManager[Engine]]
