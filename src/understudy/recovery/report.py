"""What a restore did, as frozen values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Trusted: TypeAlias = Literal["new", "known", "scan"]
"""What the target was taken for: nothing, a point that it is known to hold, or something to be read and compared."""


@dataclass(frozen=True, slots=True)
class RestoredDisk:
    """One disk, which is the point's now. `reason`: why a scan was needed, if one was."""

    name: str
    path: Path
    size: int
    trusted: Trusted
    known_point: str | None
    reason: str
    written: int
    """Bytes of data written."""
    zeroed: int
    """Bytes made zero."""
    proven: bool = True
    """False: it was known what the target held, and only what differs was written, each frame authentic; nothing was read."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A point's disks (all that were asked for), in their places under their names."""

    point: str
    disks: tuple[RestoredDisk, ...]
    seconds: float
