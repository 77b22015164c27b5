"""A machine as its log tells it."""

from dataclasses import dataclass
from typing import NamedTuple

from understudy.vault import kinds
from understudy.vault.log.judge import Void
from understudy.vault.maps.points import PointEntry


class ClaimEntry(NamedTuple):
    """A valid claim: from record `seq` on, `writer` alone appends points in `epoch`."""

    seq: int
    epoch: int
    writer: bytes
    site: str


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
    """Oldest first."""
    claims: tuple[ClaimEntry, ...] = ()
    """Oldest first, of all epochs."""
    holds: tuple[kinds.Hold, ...] = ()
    """Those not lifted."""
    checkpoints: tuple[kinds.Checkpoint, ...] = ()
    """Newest first."""
    definition: kinds.ObjectRef | None = None
    void: tuple[Void, ...] = ()

    @property
    def newest(self) -> PointEntry | None:
        return self.points[-1] if self.points else None

    @property
    def generation(self) -> bytes | None:
        """Of the newest point."""
        return self.points[-1].point.generation if self.points else None
