"""What is known of a machine and of this site when its readiness is judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from understudy.failover.readiness.probe import Probe
from understudy.vault.log.state import MachineState


class Space(NamedTuple):
    """Bytes that are free where replicas are kept."""

    path: Path
    free: int


class StandbySeen(NamedTuple):
    """A standby image of this site: the point that it holds, and when that was frozen (wall-clock ns)."""

    number: int
    frozen_at: int


class KeySeen(NamedTuple):
    """`opens`: whether it holds the private half of the vault's present recovery key."""

    role: str
    name: str
    opens: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """`now`: wall-clock ns; `here`: this site. `space` None: it could not be told."""

    now: int
    here: str
    state: MachineState
    key: KeySeen
    probe: Probe
    space: Space | None
    standby: StandbySeen | None = None
