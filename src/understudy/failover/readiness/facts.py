"""What is known of a machine and of this site when its readiness is judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from understudy.engine import Standby
from understudy.errors import StateFailed
from understudy.failover.readiness.probe import Probe
from understudy.vault.log.state import MachineState


class Space(NamedTuple):
    """Bytes that are free where replicas are kept."""

    path: Path
    free: int


class KeySeen(NamedTuple):
    """`opens`: whether it holds the private half of the vault's present recovery key."""

    role: str
    name: str
    opens: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """`now`: wall-clock ns; `here`: this site. `space` None: it could not be told. `standby`: None if there is none, or why that cannot be
    read."""

    now: int
    here: str
    state: MachineState
    key: KeySeen
    probe: Probe
    space: Space | None
    standby: Standby | StateFailed | None = None
