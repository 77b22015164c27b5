"""What a cycle tells: while it runs, and at its end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from understudy.vault.kinds import PointStats


@dataclass(frozen=True, slots=True)
class CycleProgress:
    """Where a cycle is. Bytes examined out of those to examine; bytes of packs stored so far."""

    phase: str
    done: int = 0
    total: int = 0
    stored: int = 0


ProgressSink: TypeAlias = Callable[[CycleProgress], None]


@dataclass(frozen=True, slots=True)
class CycleReport:
    """One committed point and what it took."""

    seq: int
    point: str
    parent: str
    frozen_at: int
    """Wall clock, ns."""
    committed_at: int
    """Wall clock, ns: from here on the point exists. committed_at - frozen_at is the least RPO that this cycle allowed."""
    cause: str
    reason: str
    method: str
    consistency: str
    downgrade: str
    paused: float
    """Seconds for which the freeze made the VM stand still."""
    stats: PointStats
    read: int
    """Bytes read from the source."""
    seconds: float
    """From before the freeze to after the release."""
