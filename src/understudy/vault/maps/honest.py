"""Checkpoints are shortcuts that a source wrote: whoever must be sure compares what they say with the packs' footers."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from understudy.errors import IntegrityError, NotFound
from understudy.model import Rows
from understudy.native.layout import KIND_ZERO
from understudy.vault.kinds import Checkpoint
from understudy.vault.maps.diskmap import DiskMap, PackTable, differing, repack
from understudy.vault.maps.history import History
from understudy.vault.maps.resolve import resolve

_FRAME = ["pack", "number", "offset", "length", "frame_blocks", "kind"]


async def honest(history: History) -> tuple[History, tuple[str, ...]]:
    """The history without the checkpoints that say something else than the footers do; and what is to be said of each of those.

    Each is compared with what the one before it and the footers since then say, so that every footer is read once.
    """
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
        truth = await resolve(known, checkpoint.point)
    except (IntegrityError, NotFound):
        return False
    try:
        said = await resolve(told, checkpoint.point)
        return not said.ignored and not _same(said.disks, truth.disks)
    except (IntegrityError, NotFound):
        return True


def _same(one: Mapping[bytes, DiskMap], other: Mapping[bytes, DiskMap]) -> bool:
    """`IntegrityError` where they tell two things of one pack."""
    table = PackTable()
    for disk, mapped in one.items():
        mine, theirs = repack(mapped.rows, mapped.packs, table), repack(other[disk].rows, other[disk].packs, table)
        if len(differing(mine, theirs)) or not np.array_equal(_frames(mine), _frames(theirs)):
            return False
    return True


def _frames(rows: Rows) -> Rows:
    """Each frame that rows refer to once, with all that is said of it."""
    return np.unique(rows[rows["kind"] != KIND_ZERO][_FRAME])
