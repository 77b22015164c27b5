"""Checkpoints are shortcuts that a source wrote: whoever must be sure compares what they say with the packs' footers."""

import asyncio
from dataclasses import replace

import numpy as np

from understudy import extents as ext
from understudy.errors import IntegrityError, NotFound
from understudy.model import Rows
from understudy.native.layout import KIND_ZERO
from understudy.vault.kinds import Checkpoint
from understudy.vault.maps.diskmap import DiskMap, PackTable, differing, repack
from understudy.vault.maps.history import History
from understudy.vault.maps.parts import PointParts

_FRAME = ["pack", "number", "offset", "length", "frame_blocks", "kind"]


async def honest(history: History) -> tuple[History, tuple[str, ...]]:
    """The history without the checkpoints that say something else than the footers do; and what is to be said of each of those.

    Each is compared with what the one before it and the footers since then say, so that every footer is read once.
    """
    history = history.at_first_hand()
    points, history = history, history.with_dropped()
    kept: tuple[Checkpoint, ...] = ()
    lies: list[str] = []
    for checkpoint in reversed(history.checkpoints):
        if await _lies(replace(history, checkpoints=(checkpoint,)), replace(history, checkpoints=kept), checkpoint):
            lies.append(f"checkpoint {checkpoint.id.hex()}: does not say what the footers of its point's packs say")
        else:
            kept = (checkpoint, *kept)
    return replace(points, checkpoints=kept), tuple(lies)


async def _lies(told: History, known: History, checkpoint: Checkpoint) -> bool:
    """False for one that is damaged, which no reader uses; and where neither footers nor a readable record say what is true."""
    try:
        truth = await PointParts.open(known, checkpoint.point)
    except (IntegrityError, NotFound):
        return False
    try:
        said = await PointParts.open(told, checkpoint.point)
        for disk in truth.disks:
            for first, blocks in ext.finer(truth.ranges(disk.id), said.ranges(disk.id)).tolist():
                mine = await said.part(disk.id, first, blocks)
                if said.ignored:
                    return False
                try:
                    theirs = await truth.part(disk.id, first, blocks)
                except IntegrityError:
                    return False
                if not await asyncio.to_thread(_same, mine, theirs):
                    return True
        return False
    except (IntegrityError, NotFound):
        return True


def _same(one: DiskMap, other: DiskMap) -> bool:
    """`IntegrityError` where they tell two things of one pack."""
    table = PackTable()
    mine, theirs = repack(one.rows, one.packs, table), repack(other.rows, other.packs, table)
    return not len(differing(mine, theirs)) and np.array_equal(_frames(mine), _frames(theirs))


def _frames(rows: Rows) -> Rows:
    """Each frame that rows refer to once, with all that is said of it."""
    return np.unique(rows[rows["kind"] != KIND_ZERO][_FRAME])
