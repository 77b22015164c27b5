"""From what a target holds to what it shall hold, writing only what differs."""

from contextlib import aclosing
from dataclasses import dataclass, field

from understudy import extents as ext
from understudy.model import BLOCK_SIZE, NO_EXTENTS, Bytes, Extents
from understudy.pages import Buffers
from understudy.recovery.filling import filled, lone
from understudy.recovery.lanes import spread
from understudy.recovery.progress import Meter
from understudy.recovery.protocol import PartContent, Target
from understudy.vault.maps.streaming import UNIT

LANES = 4
"""Pieces of what the reader yields that are being written while it fetches and decodes the next."""


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be done to a target. The two are disjoint."""

    write: Extents
    zero: Extents
    may: Extents = field(default_factory=lambda: NO_EXTENTS)
    """Single zero blocks that the target holds already: they may be written."""

    @property
    def blocks(self) -> int:
        return ext.total(self.write) + ext.total(self.zero)


def onto_sparse(content: PartContent, *, roomy: bool) -> Change:
    """The target is all zero. `roomy`: a few blocks of zeros do not matter there."""
    data = content.data()
    return Change(data, NO_EXTENTS, lone(data) if roomy else NO_EXTENTS)


def over(changed: Extents, content: PartContent, blocks: int) -> Change:
    """The target may differ from `content`, of a disk of so many blocks, in these, and nowhere else."""
    changed = ext.clip(changed, blocks)
    data = content.data()
    return Change(ext.intersection(changed, data), ext.difference(changed, data))


async def apply(change: Change, content: PartContent, target: Target, meter: Meter) -> None:
    """Make the change; nothing of it is durable before the target's `seal`."""
    if len(change.zero):
        await target.write_zeroes(change.zero)
        meter.add(ext.total(change.zero) * BLOCK_SIZE)

    buffers, wider = Buffers(UNIT), Buffers(2 * UNIT)

    async def write(piece: tuple[Extents, Bytes]) -> None:
        extents, data = filled(*piece, change.may, wider) if len(change.may) else piece
        await target.write(extents, data)
        wider.give(data)
        buffers.give(piece[1])
        meter.add(ext.total(piece[0]) * BLOCK_SIZE)

    if len(change.write):
        async with aclosing(content.stream(change.write, buffers)) as pieces:
            await spread(pieces, write, LANES)
