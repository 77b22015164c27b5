"""Which points a point is made of: its ancestors, kept or dropped, back to a base or to a map. Pure."""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter

from understudy.errors import IntegrityError, NotFound
from understudy.vault.maps.points import PointEntry


@dataclass(frozen=True, slots=True)
class Lineage:
    """`start` is the point whose map a checkpoint holds (None: an empty map); `entries` are laid on it, oldest first."""

    start: bytes | None
    entries: tuple[PointEntry, ...]


def trace(points: Sequence[PointEntry], point_id: bytes, mapped: Collection[bytes] = (), seq: int | None = None) -> Lineage:
    """Walk from a point to its newest ancestor (itself included) among `mapped`, else to its base.

    `seq`: the point's record, for who walks from each of many points: no walk begins at the log's end then, which took 2 ms where 10 000
    came after the point. A parent that is missing, or that is not older than its child, is an `IntegrityError` that names it.
    """
    entries: list[PointEntry] = []
    at = point_id
    # A parent is older than its child: one pass from the end meets the whole chain, and stops where it stops.
    begin = len(points) if seq is None else bisect_right(points, seq, key=attrgetter("seq"))
    for entry in map(points.__getitem__, range(begin - 1, -1, -1)):
        if not at or at in mapped:
            break
        if entry.point.id == at:
            entries.append(entry)
            at = entry.point.parent
    if at and at not in mapped:
        raise _gap(points, entries, at)
    return Lineage(at or None, tuple(reversed(entries)))


def _gap(points: Sequence[PointEntry], entries: Sequence[PointEntry], at: bytes) -> NotFound | IntegrityError:
    if not entries:
        return NotFound(f"this machine has no recovery point {at.hex()}")
    reason = "is newer than it" if any(entry.point.id == at for entry in points) else "is missing"
    return IntegrityError(
        f"recovery point {entries[-1].point.id.hex()} was made on top of point {at.hex()}, which {reason}",
        hint="choose a point before the gap, or one after the next full resynchronization",
    )
