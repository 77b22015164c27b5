"""Which points a point is made of: its ancestors back to a base or to a checkpoint. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from understudy.errors import IntegrityError, NotFound
from understudy.vault.points import PointEntry


@dataclass(frozen=True, slots=True)
class Lineage:
    """`start` is the point whose map a checkpoint holds (None: an empty map); `entries` are laid on it, oldest first."""

    start: bytes | None
    entries: tuple[PointEntry, ...]


def find_point(points: Sequence[PointEntry], point_id: bytes) -> PointEntry:
    """`NotFound` if the machine has no such point."""
    for entry in reversed(points):
        if entry.point.id == point_id:
            return entry
    raise NotFound(f"this machine has no recovery point {point_id.hex()}")


def trace(points: Sequence[PointEntry], point_id: bytes, mapped: Collection[bytes] = ()) -> Lineage:
    """Walk from a point to its newest ancestor (itself included) among `mapped`, else to its base.

    A parent that is missing, or that is not older than its child, is an `IntegrityError` that names it.
    """
    by_id = {entry.point.id: entry for entry in points}
    if point_id not in by_id:
        raise NotFound(f"this machine has no recovery point {point_id.hex()}")
    entries: list[PointEntry] = []
    at, below = point_id, None
    while at and at not in mapped:
        entry = by_id.get(at)
        if entry is None or (below is not None and entry.seq >= below.seq):
            child = below.point.id.hex() if below is not None else ""
            reason = "is missing" if entry is None else "is newer than it"
            raise IntegrityError(
                f"recovery point {child} was made on top of point {at.hex()}, which {reason}",
                hint="Choose a point before the gap, or one after the next full resynchronization.",
            )
        entries.append(entry)
        at, below = entry.point.parent, entry
    return Lineage(at or None, tuple(reversed(entries)))
