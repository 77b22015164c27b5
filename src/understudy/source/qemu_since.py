"""What a guest wrote, discarded or zeroed since a freeze. A description of the frozen view lacks it: QEMU looks at the saved blocks and at
the disk one after the other, and what was thrown away in between is in neither."""

import asyncio
from collections.abc import Callable

from understudy.model import NO_EXTENTS, Extents
from understudy.qemu.blocklayer import end_exports
from understudy.source import qemu_bitmaps as records
from understudy.source import qemu_view as overlays
from understudy.source.qemu_disks import QemuDisk
from understudy.source.qemu_frozen import dirty
from understudy.source.qemu_stage import Stage


class Since:
    """One question at a time. `exported`: the node of a disk by which its record is served, `beside` the one that it is of."""

    def __init__(self, stage: Stage, exported: Callable[[int], str], *, beside: bool) -> None:
        self._stage = stage
        self._exported = exported
        self._beside = beside
        self._asking = asyncio.Lock()

    async def __call__(self, index: int, disk: QemuDisk) -> Extents:
        async with self._asking:
            return await self._ask(index, disk)

    async def _ask(self, index: int, disk: QemuDisk) -> Extents:
        session, names, point = self._stage.session, self._stage.names, self._stage.point
        copy = names.since_bitmap(point)
        await session.transaction(records.copied(disk.node, names.bitmap(point), copy))
        nodes = await session.execute("query-named-block-nodes", {"flat": True})
        (bitmap,) = (bitmap for bitmap in records.bitmaps_of(nodes, names) if (bitmap.node, bitmap.name) == (disk.node, copy))
        found: Extents = NO_EXTENTS
        if bitmap.dirty:
            name = overlays.exported_name(index, copy)
            await overlays.export(session, names.since_export(index), self._exported(index), name, bitmap, beside=self._beside)
            found = await dirty(str(names.socket), name, copy, disk.size)
            await end_exports(session, names.since_export(index))
        await session.execute("block-dirty-bitmap-remove", {"node": disk.node, "name": copy})
        return found
