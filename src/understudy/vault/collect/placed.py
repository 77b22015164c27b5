"""Packs that only maps still tell of: the points that named them were trimmed."""

from understudy.vault.kinds import Checkpoint
from understudy.vault.maps.checkpoint_read import CheckpointDamaged, PageAt, read_directory, read_pages
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.resolve import pages_at

AT_ONCE = 64
"""Pages, of some MiB at most."""


async def placed(history: History) -> set[bytes]:
    """Ids of the packs in which the newest repack's maps place anything, maps of points that were dropped since included.

    Of a dropped point's map that is damaged nobody needs anything: what only it tells of counts as named by nobody, and goes later.
    """
    kept = {entry.point.id for entry in history.points}
    table, known = PackTable(), set[tuple[bytes, int]]()
    for checkpoint in history.maps.values():
        try:
            await look(history, checkpoint, table, known)
        except CheckpointDamaged:
            if checkpoint.point in kept:
                raise
    return {pack.id for pack in table.packs}


async def look(history: History, checkpoint: Checkpoint, table: PackTable, known: set[tuple[bytes, int]]) -> None:
    """Add the packs in which the checkpoint's maps place anything to `table`. Pages that are `known` are passed over, and known then."""
    directory = await read_directory(history, checkpoint)
    wanted: dict[tuple[bytes, int], PageAt] = {}
    for disk in directory.disks:
        for page in pages_at(directory, disk, sorted(set(disk.pages["region"].tolist()))):
            if (page.object.id, page.offset) not in known:
                wanted[page.object.id, page.offset] = page
    pages = list(wanted.values())
    for start in range(0, len(pages), AT_ONCE):
        await read_pages(history, pages[start : start + AT_ONCE], table)
    known |= wanted.keys()
