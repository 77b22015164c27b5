"""Freezing by fleecing: in one transaction, without a pause, backup jobs begin to save what the guest is about to overwrite."""

import time
from collections.abc import Sequence
from functools import partial

from understudy.errors import SourceBusy
from understudy.qemu.session import QmpRefused, QmpSession
from understudy.source import qemu_view as overlays
from understudy.source.qemu_bitmaps import Action, Record
from understudy.source.qemu_frozen import FrozenDisk, Guard
from understudy.source.qemu_scratch import Space, largest, shares
from understudy.source.qemu_server import start_server
from understudy.source.qemu_since import Since
from understudy.source.qemu_stage import Stage
from understudy.source.qemu_watch import Watch


class Fleecing:
    """A `View` that is read over NBD from overlays which the jobs fill."""

    def __init__(self, stage: Stage) -> None:
        self.serving = False
        self.pauses = False
        names, sizes = stage.names, [disk.size for disk in stage.survey.disks]
        files = [names.scratch_file(index) for index in range(len(sizes))]
        most = [largest(size) for size in sizes]
        self._stage = stage
        self._space = Space(names.scratch, dict(zip(files, zip(most, shares(most, stage.reserve), strict=True), strict=True)))
        self._guard = Guard(partial(overlays.still_frozen, stage.session, names, len(sizes)))
        self._watch = Watch(stage, self._space, [names.job(index) for index in range(len(sizes))], self._guard.end)
        self._disks: list[FrozenDisk] = []
        self._since = Since(stage, names.overlay, beside=False)

    async def prepare(self) -> None:
        stage = self._stage
        await self._space.prepare()
        await start_server(stage.session, stage.names)
        self.serving = True
        await overlays.make_overlays(stage.session, stage.names, stage.survey.disks, backed=True)
        await self._space.take()
        await self._watch.arm()

    async def instant(self, records: Sequence[Action]) -> int:
        stage, actions = self._stage, list(records)
        for index, disk in enumerate(stage.survey.disks):
            actions.append(overlays.backup(stage.names, index, disk, sync="none"))
        frozen_at = await at_once(stage.session, actions)
        self._watch.start()
        return frozen_at

    async def open(self, finals: Sequence[Record]) -> Sequence[FrozenDisk]:
        stage, names = self._stage, self._stage.names
        for index, (disk, info, final) in enumerate(zip(stage.survey.disks, stage.survey.infos, finals, strict=True)):
            exported = overlays.exported_name(index, stage.point)
            bitmap = None if isinstance(final, str) else final
            await overlays.export(stage.session, names.export(index), names.overlay(index), exported, bitmap)
            self._disks.append(FrozenDisk(info, self._guard, names, exported, final, partial(self._since, index, disk)))
        return tuple(self._disks)

    async def end(self, why: str) -> None:
        self._guard.end(why)
        await self._watch.end()
        for disk in self._disks:
            await disk.end()


async def at_once(session: QmpSession, actions: Sequence[Action]) -> int:
    """All of these or none, at one instant; when that was, just before. `SourceBusy` if somebody's job is in the way."""
    frozen_at = time.time_ns()
    try:
        await session.transaction(actions)
    except QmpRefused as error:
        if "in use by block job" not in error.said:
            raise
        raise SourceBusy(error.said, hint="wait until that job (a snapshot's commit, a mirror) has ended, or end it") from error
    return frozen_at
