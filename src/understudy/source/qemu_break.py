"""Freezing by exchanging each device's drive for a copy-before-write filter: were the scratch file to fill up, the frozen view breaks,
and never a write of the guest's.

A transaction cannot exchange drives, so the guest may write between the steps. The new records therefore begin before the exchange and
the bases' end after it: what was written in between is in both. One disk needs no pause; several are frozen while the VM stands still.
"""

from collections.abc import Sequence
from functools import partial

from understudy.errors import SourceUnavailable
from understudy.source import qemu_view as overlays
from understudy.source.qemu_bitmaps import Action, Record
from understudy.source.qemu_fleecing import at_once
from understudy.source.qemu_frozen import FrozenDisk, Guard
from understudy.source.qemu_scratch import Space, largest, shares
from understudy.source.qemu_server import start_server
from understudy.source.qemu_since import Since
from understudy.source.qemu_stage import Stage

COPY_TIMEOUT = 10
"""Seconds that a write of the guest may wait for the scratch file; then the view breaks."""


class BreakSnapshot:
    """A `View` that is read over NBD through the filters."""

    def __init__(self, stage: Stage) -> None:
        self.serving = False
        self.pauses = len(stage.survey.disks) > 1
        names, most = stage.names, [largest(disk.size) for disk in stage.survey.disks]
        files = [names.scratch_file(index) for index in range(len(most))]
        self._stage = stage
        self._space = Space(names.scratch, dict(zip(files, zip(most, shares(most, stage.reserve), strict=True), strict=True)))
        self._guard = Guard(self._standing)
        self._since = Since(stage, names.frozen, beside=True)
        self._disks: list[FrozenDisk] = []

    async def prepare(self) -> None:
        stage, names = self._stage, self._stage.names
        await self._space.prepare()
        await start_server(stage.session, names)
        self.serving = True
        await overlays.make_overlays(stage.session, names, stage.survey.disks, backed=False)
        tops = {
            block.get("qdev"): block["inserted"]["node-name"] for block in await stage.session.execute("query-block") if "inserted" in block
        }
        for index, disk in enumerate(stage.survey.disks):
            if disk.device not in tops:
                raise SourceUnavailable(f"disk '{disk.name}' was removed just now")
            kept = {"driver": "copy-before-write", "node-name": names.filter(index), "file": tops[disk.device]}
            lenient = {"target": names.overlay(index), "on-cbw-error": "break-snapshot", "cbw-timeout": COPY_TIMEOUT}
            await stage.session.execute("blockdev-add", {**kept, **lenient})

    async def instant(self, records: Sequence[Action]) -> int:
        session, names, disks = self._stage.session, self._stage.names, self._stage.survey.disks
        begin = [action for action in records if action[0] == "block-dirty-bitmap-add"]
        frozen_at = await at_once(session, begin)
        for index, disk in enumerate(disks):
            await session.execute("qom-set", {"path": disk.device, "property": "drive", "value": names.filter(index)})
        await at_once(session, [action for action in records if action not in begin])
        return frozen_at

    async def open(self, finals: Sequence[Record]) -> Sequence[FrozenDisk]:
        stage, names = self._stage, self._stage.names
        for index, (disk, info, final) in enumerate(zip(stage.survey.disks, stage.survey.infos, finals, strict=True)):
            frozen, exported = names.frozen(index), overlays.exported_name(index, stage.point)
            await stage.session.execute("blockdev-add", {"driver": "snapshot-access", "node-name": frozen, "file": names.filter(index)})
            bitmap = None if isinstance(final, str) else final
            await overlays.export(stage.session, names.export(index), frozen, exported, bitmap, beside=True)
            self._disks.append(FrozenDisk(info, self._guard, names, exported, final, partial(self._since, index, disk)))
        return tuple(self._disks)

    async def end(self, why: str) -> None:
        self._guard.end(why)
        for disk in self._disks:
            await disk.end()

    async def _standing(self) -> bool:
        """Reads fail where the view broke; this tells whether all writes still go through the filters."""
        names, found = self._stage.names, await overlays.swapped(self._stage.session, self._stage.names.prefix)
        gone = {disk.device for disk in self._stage.survey.disks} - found.keys()
        if gone:
            # A device that was unplugged writes no more.
            gone &= {block.get("qdev") for block in await self._stage.session.execute("query-block")}
        return not gone and set(found.values()) <= {names.filter(index) for index in range(len(self._stage.survey.disks))}
