"""Points that brought nothing: what is exact for the one before is exact for them, so that an idle cycle writes its record and no more."""

from collections.abc import Sequence

from understudy.replication.basis import Basis
from understudy.replication.pipeline import Shipped
from understudy.vault.kinds import PointDisk
from understudy.vault.maps.points import PointEntry


def brings_nothing(basis: Basis, disks: Sequence[PointDisk], shipped: Shipped) -> bool:
    """Whether `unchanged` will tell, from the log, that the point made of these is what its parent is."""
    return basis.generation is not None and tuple(disks) == basis.disks and not shipped.packs and not shipped.inline


def unchanged(entries: Sequence[PointEntry], older: bytes, newer: bytes) -> bool:
    """Whether all disks at point `newer` are block for block what they were at `older`, the same or an earlier point; False in any doubt.

    `entries`: oldest first. Looks only at those after `older`.
    """
    disks: tuple[PointDisk, ...] | None = None
    at = newer
    for entry in reversed(entries):
        if entry.point.id != at:
            continue
        if disks is not None and entry.point.disks != disks:
            return False
        if at == older:
            return True
        if not entry.bare:
            return False
        disks, at = entry.point.disks, entry.point.parent
    return False
