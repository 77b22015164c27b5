"""Freezing by pushing: QEMU copies what is to be read into scratch files of its own, which are read when it is done.

It needs no NBD server in QEMU, and nothing stands in the guest's way once the copy is made, however long it takes to be read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from understudy import extents as ext
from understudy.errors import SourceUnavailable
from understudy.finish import finish_in_thread
from understudy.model import NO_EXTENTS, Bytes, Changes, DiskInfo, Extents, Lost, Tracked, blocks_of
from understudy.qemu.blocklayer import delete_nodes
from understudy.source import qemu_bitmaps as records
from understudy.source import qemu_view as overlays
from understudy.source.qcow2_file import Qcow2File, open_qcow2
from understudy.source.qemu_bitmaps import Action, Record
from understudy.source.qemu_fleecing import at_once
from understudy.source.qemu_frozen import Guard
from understudy.source.qemu_scratch import Space, largest
from understudy.source.qemu_stage import Stage
from understudy.source.qemu_watch import Watch

SLACK = 64 << 20
"""Bytes of scratch space beyond what is known to be copied: what the guest changes up to the instant."""
WIDE, WIDE_FROM = 2 << 20, 64 << 30
"""Cluster size for whole disks from this size on, whose tables would be large: all that reads as zero is noted there, too."""
_KEPT = {"auto-dismiss": False}
"""A job's outcome stays until it was heard."""
LOOK = 0.25
"""Seconds between two looks at the jobs, at most."""


class Push:
    """A `View` of what was copied out: whole disks where there is no base, else what changed since."""

    def __init__(self, stage: Stage) -> None:
        self.serving = False
        self.pauses = False
        names, survey = stage.names, stage.survey
        self._stage = stage
        self._whole = [isinstance(record, str) or stage.whole for record in stage.bases]
        wide = any(whole and disk.size >= WIDE_FROM for whole, disk in zip(self._whole, survey.disks, strict=True))
        self._cluster = WIDE if wide else overlays.CLUSTER
        files = {}
        for index, (disk, record) in enumerate(zip(survey.disks, stage.bases, strict=True)):
            held = survey.held(disk.node) if self._whole[index] or isinstance(record, str) else record.dirty
            files[names.scratch_file(index)] = (most := largest(disk.size), min(most, largest(held) + SLACK))
        self._space = Space(names.scratch, files)
        self._jobs = [names.job(index) for index in range(len(survey.disks))]
        self._guard = Guard(_always)
        self._watch = Watch(stage, self._space, self._jobs, self._guard.end)
        self._copying: asyncio.Task[list[Qcow2File]] | None = None

    async def prepare(self) -> None:
        await self._space.prepare()
        disks = self._stage.survey.disks
        await overlays.make_overlays(self._stage.session, self._stage.names, disks, backed=False, cluster=self._cluster)
        await self._space.take()
        await self._watch.arm()

    async def instant(self, actions: Sequence[Action]) -> int:
        names, point, all_actions = self._stage.names, self._stage.point, list(actions)
        for index, (disk, record) in enumerate(zip(self._stage.survey.disks, self._stage.bases, strict=True)):
            if self._whole[index] or isinstance(record, str):
                all_actions.append(overlays.backup(names, index, disk, sync="full", **_KEPT))
            else:
                # The job would make the record its own: it gets a copy.
                selection = names.selection(point)
                all_actions += records.copied(disk.node, record.name, selection)
                wanted = {"bitmap": selection, "bitmap-mode": "never"}
                all_actions.append(overlays.backup(names, index, disk, sync="bitmap", **wanted, **_KEPT))
        frozen_at = await at_once(self._stage.session, all_actions)
        self._watch.start()
        return frozen_at

    async def open(self, finals: Sequence[Record]) -> Sequence["PushedDisk"]:
        self._copying = asyncio.ensure_future(self._copied())
        self._copying.add_done_callback(_retrieve)
        disks = enumerate(zip(self._stage.survey.infos, finals, strict=True))
        return [PushedDisk(info, final, partial(self._file, index), self._whole[index], self._stage.want) for index, (info, final) in disks]

    async def end(self, why: str) -> None:
        self._guard.end(why)
        await self._watch.end()
        if self._copying is not None and not self._copying.done():
            self._copying.cancel()
            await asyncio.wait([self._copying])

    async def _file(self, index: int) -> Qcow2File:
        """A disk's scratch file, when everything is in it."""
        self._guard.check()
        assert self._copying is not None
        try:
            files = await asyncio.shield(self._copying)
        except asyncio.CancelledError:
            self._guard.check()
            raise
        self._guard.check()
        return files[index]

    async def _copied(self) -> list[Qcow2File]:
        session, names = self._stage.session, self._stage.names
        pause = 0.002
        while True:
            found = {job["id"]: job for job in await session.execute("query-jobs") if job["id"] in self._jobs}
            if found.keys() < set(self._jobs):
                raise SourceUnavailable("somebody ended the job that copies this VM's disks")
            for job in found.values():
                if job["status"] == "concluded" and "error" in job:
                    raise SourceUnavailable(f"QEMU could not copy what is to be read: {job['error']}", hint="try again")
            if all(job["status"] == "concluded" for job in found.values()):
                break
            await asyncio.sleep(pause)
            pause = min(pause * 2, LOOK)
        for job in self._jobs:
            await session.execute("job-dismiss", {"id": job})
        # Closed, a file is whole.
        await delete_nodes(session, names.prefix)
        await self._watch.end()
        return [await asyncio.to_thread(open_qcow2, names.scratch_file(index)) for index in range(len(self._jobs))]


class PushedDisk:
    """One disk's copy. `wanted` is told if more than it holds is to be read."""

    def __init__(
        self, info: DiskInfo, base: Record, file: Callable[[], Awaitable[Qcow2File]], whole: bool, wanted: Callable[[], None]
    ) -> None:
        self._info = info
        self._base = base
        self._file = file
        self._whole = whole
        self._wanted = wanted

    @property
    def info(self) -> DiskInfo:
        return self._info

    async def changed(self) -> Changes:
        """What was copied is what the base's record named. Of a whole copy only that is not known; all of it may have changed."""
        if isinstance(self._base, str):
            return Lost(self._base)
        if not self._base.dirty:
            return Tracked(NO_EXTENTS)
        file = await self._file()
        return Tracked(ext.whole(blocks_of(self._info.size)) if self._whole else file.present())

    async def allocated(self) -> Extents:
        if not self._whole:
            raise self._missing()
        return (await self._file()).data()

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        file = await self._file()
        if not self._whole and ext.total(ext.intersection(extents, file.present())) < ext.total(extents):
            raise self._missing()
        await finish_in_thread(partial(file.read_into, extents, buffer))

    def _missing(self) -> SourceUnavailable:
        self._wanted()
        return SourceUnavailable(
            f"only what had changed of disk '{self._info.name}' was copied at its freeze", hint="try again: the next one copies all of it"
        )


async def _always() -> bool:
    """A copy that was made stays."""
    return True


def _retrieve(task: asyncio.Task[list[Qcow2File]]) -> None:
    """Nobody may have asked."""
    if not task.cancelled():
        task.exception()
