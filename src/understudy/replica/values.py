"""What a replica is started from, and how it stands."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from understudy.errors import UnderstudyError
from understudy.hypervisor import protocol as hypervisor
from understudy.machine.definition import MachineDefinition


class StartReplica(msgspec.Struct, frozen=True, kw_only=True):
    """An order. `run` names it on this host: the hypervisor's run, the export and the directory are called so, too."""

    run: str
    """Up to 48 small letters, digits, dots, dashes and underscores."""
    machine: str
    """The machine's id in the vault."""
    point: str
    definition: MachineDefinition
    """As it shall be started here."""
    networks: dict[str, hypervisor.Network] = msgspec.field(default_factory=dict)
    """By the network card's name; one that is not named is isolated."""
    below: dict[str, str] = msgspec.field(default_factory=dict)
    """By the disk's name a file or device here that is known to hold the point, and will as long as the replica needs it; qcow2 if its
    name ends so, else raw. A disk that is not named is read from an export."""
    track: bool = False
    """Whether each disk has a record of changes since the point before the guest runs."""
    seed: str = ""
    """A NoCloud seed image for the guest to read; empty: none."""
    accelerator: hypervisor.Accelerator = "auto"


@dataclass(frozen=True, slots=True)
class State:
    """`below`: disks that still need what lies below their overlays. `serving`: whether the export's process is there."""

    vm: hypervisor.State
    below: tuple[str, ...]
    serving: bool = False
    kept: bool = False
    """It was given up, and its overlays were not: it is not started again."""
    begun: bool = True
    """Whether its guest may have run: until then it may be started from something else."""

    @property
    def drained(self) -> bool:
        return not self.below


@dataclass(frozen=True, slots=True)
class Found:
    """Replicas by their runs. `unread`: of these it is not known how they stand, nor what they are: that permits nothing."""

    known: Mapping[str, tuple[StartReplica, State]]
    unread: Mapping[str, UnderstudyError]


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done for a replica that was in need of it, or why that did not come off."""

    run: str
    words: str
    failure: UnderstudyError | None = None
