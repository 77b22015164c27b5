"""What a cycle tells: while it runs, and at its end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from understudy.model import BLOCK_SIZE
from understudy.vault.kinds import PointStats


@dataclass(frozen=True, slots=True)
class CycleProgress:
    """Where a cycle is. Bytes examined out of those to examine; bytes of packs stored so far."""

    phase: str
    done: int = 0
    total: int = 0
    stored: int = 0
    reason: str = ""
    """Why this is a resynchronization; empty if it is none, or nothing has been looked at yet."""


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
    quiesced: float
    """Seconds for which the guest's file systems were frozen."""
    stats: PointStats
    read: int
    """Bytes read from the source."""
    seconds: float
    """From before the freeze to after the release."""


@dataclass(slots=True)
class Overall:
    """Tells the progress of a whole that is made in parts. In blocks, but for what is stored."""

    sink: ProgressSink
    whole: int = 0
    """All parts together, where that is known beforehand."""
    _before: int = 0
    _stored: int = 0

    def begin(self, left: int, stored: int) -> None:
        """Another part begins, with so much of the whole left, and so many bytes stored before it."""
        self._before = max(0, self.whole - left)
        self._stored = stored

    def __call__(self, part: CycleProgress) -> None:
        done = self._before * BLOCK_SIZE
        total, stored = max(self.whole * BLOCK_SIZE, done + part.total), self._stored + part.stored
        self.sink(CycleProgress(part.phase, done + part.done, total, stored, part.reason))
