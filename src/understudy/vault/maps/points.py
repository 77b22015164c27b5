"""A recovery point together with its place in its machine's log."""

from dataclasses import dataclass
from typing import NamedTuple

from understudy.vault import kinds


@dataclass(frozen=True, slots=True)
class PointEntry:
    """A valid point of a machine's log; it and its record are immutable.

    A machine's state leaves inline packs out, since those of many thousand points would not fit in memory: `point.inline` is
    empty there, `inlined` is its length, and `MachineLog.inline(seq)` reads it.
    """

    seq: int
    point: kinds.Point
    inlined: int = 0
    trimmed: bool = False
    """Its record was trimmed: only a repack's map says what it holds."""

    @property
    def bare(self) -> bool:
        """Whether it is known that it brought no pack."""
        point = self.point
        return not (self.trimmed or point.packs or point.packs_in or point.inline or self.inlined)


class Dropped(NamedTuple):
    """A point (of record `seq`) that pruning dropped: by record `prune`, written `at` (its writer's wall clock, ns)."""

    seq: int
    prune: int
    at: int
