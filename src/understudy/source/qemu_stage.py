"""What every method of freezing is given, and what it gives. One file a method; `qemu.py` joins them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from understudy.qemu.lifeline import Lifeline
from understudy.qemu.session import QmpSession
from understudy.source.protocol import DiskSnapshot
from understudy.source.qemu_bitmaps import Action, Record
from understudy.source.qemu_names import Names
from understudy.source.qemu_survey import Survey


@dataclass(frozen=True, slots=True)
class Stage:
    """What one freeze works with, whatever its method."""

    session: QmpSession
    line: Lifeline
    names: Names
    survey: Survey
    point: str
    bases: Sequence[Record]
    """For each disk its base's record, or why that cannot be trusted."""
    reserve: int
    """Bytes of scratch space."""
    whole: bool
    """Whether blocks will be read that did not change."""
    want: Callable[[], None]
    """Ask for that of the next freeze."""
    starved: bool
    """Whether the VM stood still already, for want of space or by an error of its storage."""
    give_up: Callable[[str], Awaitable[None]]
    """End the view to save the guest, for this reason; the records stay as they are until the release."""


class View(Protocol):
    """A stable view of all disks. The steps come in this order, each once; `end` may follow any of them, also one that failed.

    What a view has in QEMU and on the disk is taken down by looking for what is there (`qemu_view.tear_down`), since a killed
    process's view has no object any more.
    """

    @property
    def serving(self) -> bool:
        """Whether QEMU's NBD server is known to be ours."""
        ...

    @property
    def pauses(self) -> bool:
        """Whether the VM must stand still for the instant."""
        ...

    async def prepare(self) -> None:
        """Everything that is not the instant."""
        ...

    async def instant(self, records: Sequence[Action]) -> int:
        """Carry out `records` and begin the view, at one instant: when that was. All or nothing happens."""
        ...

    async def open(self, finals: Sequence[Record]) -> Sequence[DiskSnapshot]:
        """The disks as they were. `finals`: the bases' records as they ended at the instant."""
        ...

    async def end(self, why: str) -> None:
        """Stop reading and watching, whatever is under way. Nothing is said to QEMU. Idempotent."""
        ...
