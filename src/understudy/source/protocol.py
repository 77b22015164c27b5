"""What a replication cycle needs of a machine's disks. The docstrings are the contract; tests/source/conformance.py is its proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from understudy.model import Bytes, Changes, Definition, DiskInfo, Extents


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What `probe` found: the disks that would be replicated, how they would be frozen, and the machine's definition.

    `lasting`: what is frozen weighs on nobody, and costs so much to make that it should be made once and read for hours.
    """

    kind: str
    method: str
    disks: tuple[DiskInfo, ...]
    definition: Definition
    quiesce: str = ""
    """How app-consistent points would be made, in words; empty: they cannot be."""
    lasting: bool = False
    excluded: tuple[str, ...] = ()
    """Names of disks that are left out by the operator's wish."""
    absent: tuple[str, ...] = ()
    """What the operator wishes left out, and is not there: it may be plugged in again."""
    fleeting: tuple[str, ...] = ()
    """Names of disks whose images have no room for a record of changes that outlives a restart of the VM."""


class DiskSnapshot(Protocol):
    """One disk as it was at the freeze. Valid until the source's `release`."""

    @property
    def info(self) -> DiskInfo: ...

    async def changed(self) -> Changes:
        """Extents (in blocks) that may differ from the base point given to `freeze`, or why that is not known.

        Where it is known the rest of the disk may not be readable, unless that was wished for at the freeze: `SourceUnavailable` then,
        and the next freeze has it.
        """
        ...

    async def allocated(self) -> Extents:
        """Extents outside which every block reads as zero."""
        ...

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        """Fill `buffer` (exactly 4096 bytes for each block of `extents`, in their order); a short last block is zero-padded.

        Several calls may be under way at once. Raises `SourceUnavailable` or `SourceRefused`; the buffer is then undefined.
        """
        ...


class Gate(Protocol):
    """Where the machines of a consistency group wait for each other in the middle of their freezes, in this order."""

    async def prepared(self) -> None:
        """All that takes its time is done, and nothing weighs on the guest yet. Returns when this holds for all."""
        ...

    async def ready(self) -> None:
        """The guest agent has frozen what it was wished to. Returns when all are so far; on a raise nothing may be stopped."""
        ...

    async def stopped(self) -> None:
        """No write of this machine is under way or will begin. Returns when this holds for all; raises if it cannot be."""
        ...

    async def frozen(self) -> None:
        """This machine's instant is taken. Returns when all are: only then may its writes go on. On a raise they go on at once."""
        ...

    def broken(self, cause: BaseException) -> None:
        """Say at once that this machine cannot go on, so that no other one waits for it. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """How a freeze should be made."""

    app_consistent: bool = False
    """File systems frozen by the guest agent, hooks run. What fails there downgrades the point and says why."""
    gate: Gate | None = None
    view: bool = False
    """The disks will be read, even if nothing changed in them since the base."""


CRASH = Wish()
READ = Wish(view=True)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of a machine's disks at one instant."""

    frozen_at: int
    """Wall clock, nanoseconds since the epoch, taken just before the instant of the freeze."""
    method: str
    consistency: str
    disks: Sequence[DiskSnapshot]
    definition: Definition
    downgrade: str = ""
    """Why it is crash-consistent only, where app-consistent was wished for."""
    paused: float = 0.0
    """Seconds for which the freeze made the VM stand still."""
    quiesced: float = 0.0
    """Seconds for which the guest's file systems were frozen."""
    excluded: tuple[str, ...] = ()
    """Names of disks that are left out by the operator's wish."""


class DiskSource(Protocol):
    """A machine whose disks can be frozen and read, one freeze at a time."""

    async def probe(self) -> SourceInfo:
        """What this machine is and how it would be frozen. Changes nothing. `SourceRefused` says why it cannot be served."""
        ...

    async def relieve(self) -> None:
        """End what a killed process left that weighs on the guest or fills this host's disk. Change tracking stays as it is, so this
        may be done before anything is known of the log; `recover` follows."""
        ...

    async def recover(self, newest: str | None) -> None:
        """Clean up whatever a killed process or a release in doubt left behind; call it before the first `freeze` after either.

        `newest` is the id of the newest committed point (None before the first): change tracking that began at it goes on,
        tracking that began at a later, uncommitted one is merged into it, everything else of ours is removed.
        """
        ...

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        """A stable view of all disks at one instant; changes after it are tracked under `point`, a point's id (32 hex digits).

        `base` is the id of the newest committed point, to which `changed()` refers. On any failure nothing is left behind.
        """
        ...

    async def release(self, committed: bool | None) -> None:
        """End the freeze. True: tracking goes on from its point; False: from its base, nothing forgotten. Idempotent.

        None: whether the point exists is in doubt. The view ends (no export, job, node or scratch file stays to weigh on the
        guest), both tracks are kept, and `recover` decides when the answer is known.
        """
        ...

    async def pending(self) -> int | None:
        """Bytes that changed since tracking began at the newest point, without a freeze; None where nothing tells."""
        ...

    async def remove(self) -> None:
        """Leave no node, export, job, bitmap or scratch file of ours behind. Idempotent."""
        ...

    async def close(self) -> None:
        """Disconnect; tracking stays. Idempotent."""
        ...
