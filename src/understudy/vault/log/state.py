"""A machine as its log tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from understudy.vault import kinds
from understudy.vault.log.authority import NOBODY, AuthorityState
from understudy.vault.log.judge import Void
from understudy.vault.log.keeping import Condemned
from understudy.vault.log.trim_state import Trimmed
from understudy.vault.maps.points import Dropped, PointEntry


class ClaimEntry(NamedTuple):
    """A valid claim: from record `seq` on, `writer` alone appends points in `epoch`."""

    seq: int
    epoch: int
    writer: bytes
    site: str


class Lost(NamedTuple):
    """A side object, by name, that record `seq` needs and that is damaged or missing: `reason`."""

    seq: int
    kind: str
    object: str
    reason: str


@dataclass(frozen=True, slots=True)
class MachineState:
    """The fold of a machine's log. Everything in it is valid; what is not is in `void`."""

    id: str
    """32 hex digits."""
    name: str = ""
    """Empty if no valid record ever opened the log."""
    site: str = ""
    """Which site is the primary: the one that protected the machine, or that claimed or was failed over to since."""
    epoch: int = 0
    writer: bytes = b""
    """Of the newest claim in this epoch; empty before the first."""
    points: tuple[PointEntry, ...] = ()
    """Those that are kept, oldest first."""
    entries: tuple[PointEntry, ...] = ()
    """These and the dropped ones that the log still tells of, oldest first: what kept points may be laid on."""
    dropped: Mapping[bytes, Dropped] = field(default_factory=dict)
    """By point."""
    claims: tuple[ClaimEntry, ...] = ()
    """Oldest first, of all epochs."""
    holds: tuple[kinds.Hold, ...] = ()
    """Those not lifted."""
    checkpoints: tuple[kinds.Checkpoint, ...] = ()
    """Those that the newest repack has not made void, newest first."""
    maps: Mapping[bytes, kinds.Checkpoint] = field(default_factory=dict)
    """What the newest repack says, by point: the truth about every point that is in it."""
    repack: int = 0
    """The newest repack's record, 0: none; and its horizon."""
    horizon: int = 0
    condemned: tuple[Condemned, ...] = ()
    """Oldest first."""
    intent: kinds.Intent | None = None
    """The initial replication that is under way."""
    retention: kinds.Retention | None = None
    verified: Mapping[bytes, int] = field(default_factory=dict)
    """Kept points that were proven: when last (the operator's wall clock, ns), by point."""
    drills: tuple[kinds.Drill, ...] = ()
    """The newest of them, oldest first."""
    named: frozenset[bytes] | None = frozenset()
    """Hashes of the side objects that records name; None where a record of a kind that this version does not know may name more."""
    head: bytes = b""
    """The point that the machine goes on from."""
    superseded: Mapping[bytes, int] = field(default_factory=dict)
    """Points that it did not go on from: the epoch that began without them, by point."""
    authority: AuthorityState = NOBODY
    trims: tuple[Trimmed, ...] = ()
    """Oldest first; none that is trimmed itself."""
    lost: tuple[Lost, ...] = ()
    definition: kinds.ObjectRef | None = None
    void: tuple[Void, ...] = ()

    @property
    def newest(self) -> PointEntry | None:
        """The one that the machine goes on from: of points that were made after it, and superseded, none counts."""
        return next((entry for entry in reversed(self.points) if entry.point.id == self.head), self.points[-1] if self.points else None)

    def made_at(self, entry: PointEntry) -> str:
        """The site that made a point: of the claim before it. Where the log tells of none any more, the primary."""
        return next((claim.site for claim in reversed(self.claims) if claim.seq < entry.seq), self.site)

    def condemns(self, ref: kinds.ObjectRef) -> bool:
        """Whether this side object may be deleted."""
        name = f"objects/{ref.hash.hex()}"
        return any(name in condemned.names for condemned in self.condemned)

    @property
    def trimmed(self) -> int:
        """The last record that a trim speaks of; 0 if there is none."""
        return max((trim.up_to for trim in self.trims), default=0)

    @property
    def generation(self) -> bytes | None:
        """Of the newest point."""
        return self.newest.point.generation if self.newest else None
