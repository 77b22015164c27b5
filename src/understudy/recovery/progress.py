"""How far a recovery operation has come, as frozen values for whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """One step on one disk. Bytes are of the disk, not of the vault."""

    step: str
    """scan (reading what a target holds), write, prove (reading back), check (verify)."""
    disk: str
    done: int
    total: int


Listener: TypeAlias = Callable[[Progress], None]
"""Called often, on the event loop; must return at once."""


def unheard(progress: Progress) -> None:
    """For those who do not listen."""


@dataclass(slots=True)
class Meter:
    """Counts one step's bytes and tells the listener."""

    listener: Listener
    step: str
    disk: str
    total: int
    done: int = 0

    def __post_init__(self) -> None:
        self.add(0)

    def add(self, count: int) -> None:
        self.done += count
        self.listener(Progress(self.step, self.disk, self.done, self.total))
