"""What the next examination is compared with: the newest point, what an initial replication has uploaded up to now, or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from understudy.model import DiskInfo
from understudy.vault.kinds import Point, PointDisk

NO_POINT = bytes(16)


@dataclass(frozen=True, slots=True)
class Basis:
    """`id` names the state that the signature files are exact for."""

    id: bytes = NO_POINT
    track: bytes = b""
    """The id under which the source tracks what changed since; empty: under none."""
    disks: tuple[PointDisk, ...] = ()
    generation: bytes | None = None
    """None before the first point."""
    upto: Mapping[bytes, int] = field(default_factory=dict)
    """By disk id, where not all has been read yet: the block in front of which it has."""

    @property
    def base(self) -> str | None:
        """As the source wants it."""
        return self.track.hex() or None


NOTHING = Basis()


def basis_of(point: Point) -> Basis:
    return Basis(point.id, point.id, point.disks, point.generation)


def outgrown(basis: Basis, disks: Sequence[DiskInfo]) -> bool:
    """Whether a disk of the basis is gone or smaller now: without a point in between, what was laid past its end cannot be taken away."""
    now = {disk.name: disk for disk in disks}
    return any(disk.name not in now or now[disk.name].size < disk.size for disk in basis.disks)
