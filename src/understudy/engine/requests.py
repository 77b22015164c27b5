"""What may be asked for, by whom, and with what."""

from typing import TypeAlias

import msgspec

from understudy.engine.values import FreezeMethod, ImageFormat, Level, Role, Value


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
    """Which vault, opened how, remembered where, and as which site. `credential` None: only what needs no key can be done."""

    vault: str
    state_dir: str
    site: str
    credential: Credential | None = None


# How this host reads a machine. This is also the form of the machine's file in the state directory.


class QemuSource(Value, frozen=True, tag_field="kind", tag="qemu"):
    """A running QEMU by its QMP socket; `disks` maps disk names to node names, empty: every disk with a medium but those in `exclude`
    (names of disks, devices or nodes)."""

    qmp: str
    disks: dict[str, str] = msgspec.field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    agent: str = ""
    """The unix socket of the guest agent's character device; empty: there is none."""
    pre_hook: str = ""
    post_hook: str = ""
    """Executables run around an app-consistent freeze; empty: none."""
    method: FreezeMethod = "auto"
    """How its disks are frozen; `auto`: by the first method that serves it safely."""
    allow_pause: bool = False
    """Whether the VM may be stopped for some milliseconds at each freeze."""


class BlockSource(Value, frozen=True, tag_field="kind", tag="block"):
    """Files or block devices: disk names to absolute paths."""

    disks: dict[str, str]
    pre_hook: str = ""
    post_hook: str = ""


MachineSource: TypeAlias = QemuSource | BlockSource


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


class SeedExport(Value, frozen=True):
    """Put a point into `directory` (absolute), as a vault of its own; None: the initial replication, before there is any point."""

    machine: str
    point: str | None
    directory: str


class SeedImport(Value, frozen=True):
    """Bring what was exported to `directory` into the vault."""

    directory: str


class Verify(Value, frozen=True):
    """Prove these points of a machine, at one level."""

    machine: str
    points: tuple[str, ...]
    level: Level
