"""How much of what kept points need each of them needs alone: what dropping it would free. Pure."""

from dataclasses import dataclass, field

import numpy as np

from understudy.model import Rows
from understudy.vault.collect.marks import bytes_of
from understudy.vault.collect.sweep import Change
from understudy.vault.maps.selection import Index


@dataclass(slots=True)
class Tally:
    """Takes the changes of a sweep in their order. A point's own rows are kept until the next point that is laid on it comes, and
    after that only those which that one hides."""

    total: dict[bytes, int] = field(default_factory=dict)
    """Sealed bytes that came with each point."""
    _own: dict[bytes, dict[bytes, Rows]] = field(default_factory=dict)

    def take(self, change: Change) -> None:
        if change.before is not None:
            # What it does not hide, it has too.
            known = self._own[change.before]
            self._own[change.before] = {disk: _inside(rows, change.rows.get(disk)) for disk, rows in known.items()}
        self._own[change.entry.point.id] = dict(change.rows)
        self.total[change.entry.point.id] = sum(bytes_of(rows) for rows in change.rows.values())

    def alone(self, point: bytes) -> int:
        """Sealed bytes that only this point needs."""
        return sum(bytes_of(rows) for rows in self._own[point].values())


def _inside(rows: Rows, other: Rows | None) -> Rows:
    """What of `rows` lies where `other` says something."""
    if other is None or not len(other):
        return rows[:0]
    extents = np.stack([other["first"], other["blocks"]], axis=1).astype(np.int64)
    return Index.of(rows).select(extents).rows
