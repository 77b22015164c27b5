"""A running QEMU that somebody else started, by its QMP socket: changes from dirty bitmaps, frozen by fleecing.

All disks are frozen in one transaction, without a pause: the old record of changes ends, a new one begins, and a backup job starts to
save what the guest is about to overwrite. A VM that was paused stays paused.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from understudy.errors import SourceBusy, SourceRefused, SourceUnavailable, UnderstudyError
from understudy.finish import finish
from understudy.model import NO_EXTENTS, Definition, Extents
from understudy.qemu.blocklayer import end_exports
from understudy.qemu.session import QmpGone, QmpRefused, QmpSession
from understudy.source import qemu_bitmaps as records
from understudy.source import qemu_view as overlays
from understudy.source.protocol import CRASH, Snapshot, SourceInfo, Wish
from understudy.source.qemu_bitmaps import Record
from understudy.source.qemu_definition import define, devices
from understudy.source.qemu_disks import QemuDisk
from understudy.source.qemu_frozen import FrozenDisk, Guard, IdleDisk, dirty
from understudy.source.qemu_names import Names
from understudy.source.qemu_scratch import RESERVE, floor, prepare_scratch, watch
from understudy.source.qemu_server import forget_socket, start_server, stop_server
from understudy.source.qemu_survey import Survey, survey

METHOD = "fleecing"
FOUND = "it was taken for a dead process's"


@dataclass(slots=True)
class _Freeze:
    """One freeze, from its first command to the end of its release."""

    point: str
    base: str | None
    viewed: bool = False
    """Whether a view was begun, be it in part."""
    serving: bool = False
    starved: bool = False
    """Whether the VM stood still already, for want of space or by an error of its storage."""
    guard: Guard | None = None
    disks: list[FrozenDisk] = field(default_factory=list)
    watcher: asyncio.Task[None] | None = None


class QemuSource:
    """One VM. `disks` maps names to devices, drives or nodes; empty: every writable disk under its own name.

    `directory` is the machine's own on this host; scratch files and the NBD socket are made in it by QEMU.
    """

    def __init__(
        self, machine: str, qmp: str, directory: Path, disks: Mapping[str, str] | None = None, *, scratch_reserve: int = RESERVE
    ) -> None:
        self._qmp = qmp
        self._names = Names(machine, directory.absolute())
        self._selection = dict(disks or {})
        self._reserve = scratch_reserve
        self._session: QmpSession | None = None
        self._freeze: _Freeze | None = None
        self._view_wanted = False
        self._defined: tuple[object, Definition] | None = None
        self._changing = asyncio.Lock()
        self._copying = asyncio.Lock()

    async def probe(self) -> SourceInfo:
        session = await self._connected()
        found = await survey(session, self._selection)
        return SourceInfo("qemu", METHOD, found.infos, await self._definition(session, found))

    async def relieve(self) -> None:
        async with self._changing:
            await self._insistently(partial(self._end_view, why=FOUND))

    async def recover(self, newest: str | None) -> None:
        async def clean(session: QmpSession) -> None:
            await self._end_view(session, FOUND)
            await self._settle(session, newest)

        async with self._changing:
            await self._insistently(clean)
            self._freeze = None

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        async with self._changing:
            if self._freeze is not None:
                raise SourceRefused("this VM is frozen already")
            session = await self._connected()
            self._freeze = _Freeze(point, base)
            try:
                return await self._begin(session, self._freeze)
            except BaseException as error:
                await finish(self._undo(error))
                raise

    async def release(self, committed: bool | None) -> None:
        await finish(self._release(committed))

    async def remove(self) -> None:
        await self.recover(None)

    async def close(self) -> None:
        try:
            await self.release(None)
        finally:
            if self._session is not None:
                await self._session.close()

    async def _connected(self) -> QmpSession:
        if self._session is None or self._session.closed:
            if self._session is not None:
                await self._session.close()
            self._session = await QmpSession.connect(self._qmp)
        return self._session

    async def _insistently(self, work: Callable[[QmpSession], Awaitable[None]]) -> None:
        """Do what may be repeated, once more in a new session if the old one proves dead: only then is it known whether the VM is."""
        session = await self._connected()
        try:
            await work(session)
        except SourceUnavailable:
            if not session.closed:
                raise
            await work(await self._connected())

    async def _definition(self, session: QmpSession, found: Survey) -> Definition:
        """Asked for anew only when something was plugged in or out, or in another session."""
        plugged = await devices(session)
        key = (session, found.disks, found.infos, plugged)
        if self._defined is None or self._defined[0] != key:
            self._defined = (key, await define(session, found, plugged))
        return self._defined[1]

    async def _begin(self, session: QmpSession, freeze: _Freeze) -> Snapshot:
        found = await survey(session, self._selection)
        freeze.starved = await overlays.starved(session)
        definition = await self._definition(session, found)
        known = records.bitmaps_of(found.nodes, self._names)
        base = self._names.bitmap(freeze.base) if freeze.base else None
        bases = [records.usable_base(known, disk.node, base) for disk in found.disks]
        if not self._view_wanted and all(isinstance(record, records.Bitmap) and not record.dirty for record in bases):
            frozen_at, finals = await self._instant(session, freeze, found, bases, view=False)
            if all(isinstance(record, records.Bitmap) and not record.dirty for record in finals):
                idle = tuple(IdleDisk(info, self._want_view) for info in found.infos)
                return Snapshot(frozen_at, METHOD, "crash", idle, definition)
            # Something was written in the last moment: that must be read, from a view.
            await self._settle(session, freeze.base)
        self._view_wanted = False
        frozen_at = await self._view(session, freeze, found, bases)
        return Snapshot(frozen_at, METHOD, "crash", tuple(freeze.disks), definition)

    def _want_view(self) -> None:
        self._view_wanted = True

    async def _view(self, session: QmpSession, freeze: _Freeze, found: Survey, bases: Sequence[Record]) -> int:
        names, total = self._names, sum(disk.size for disk in found.disks)
        freeze.viewed = True
        await prepare_scratch(names.scratch, total, self._reserve)
        await start_server(session, names)
        freeze.serving = True
        await overlays.make_overlays(session, names, found.disks)
        frozen_at, finals = await self._instant(session, freeze, found, bases, view=True)
        guard = freeze.guard = Guard(session, names, len(found.disks))
        for index, (disk, info, final) in enumerate(zip(found.disks, found.infos, finals, strict=True)):
            exported = overlays.exported_name(index, freeze.point)
            bitmap = None if isinstance(final, str) else final
            await overlays.export(session, names.export(index), names.overlay(index), exported, bitmap)
            since = partial(self._since, session, index, disk, freeze.point)
            freeze.disks.append(FrozenDisk(info, guard, names, exported, final, since))
        freeze.watcher = asyncio.ensure_future(self._watch(session, freeze, guard, floor(total, self._reserve)))
        return frozen_at

    async def _instant(
        self, session: QmpSession, freeze: _Freeze, found: Survey, bases: Sequence[Record], *, view: bool
    ) -> tuple[int, list[Record]]:
        """The freeze itself. When it was, and the bases' records as they ended there."""
        names, actions = self._names, []
        for index, (disk, record) in enumerate(zip(found.disks, bases, strict=True)):
            if view:
                actions += overlays.freeze_actions(names, index, disk)
            actions += records.begin(disk.node, names.bitmap(freeze.point), None if isinstance(record, str) else record)
        frozen_at = time.time_ns()
        try:
            await session.transaction(actions)
        except QmpRefused as error:
            if "in use by block job" not in error.said:
                raise
            raise SourceBusy(error.said, hint="wait until that job (a snapshot's commit, a mirror) has ended, or end it") from error
        nodes = await session.execute("query-named-block-nodes", {"flat": True})
        ended = {(bitmap.node, bitmap.name): bitmap for bitmap in records.bitmaps_of(nodes, names)}
        gone = "the disk was removed"
        return frozen_at, [record if isinstance(record, str) else ended.get((record.node, record.name), gone) for record in bases]

    async def _since(self, session: QmpSession, index: int, disk: QemuDisk, point: str) -> Extents:
        """What the guest wrote, discarded or zeroed since the freeze."""
        async with self._copying:
            return await self._copied(session, index, disk, point)

    async def _copied(self, session: QmpSession, index: int, disk: QemuDisk, point: str) -> Extents:
        names = self._names
        copy = names.since_bitmap(point)
        await session.transaction(records.copied(disk.node, names.bitmap(point), copy))
        nodes = await session.execute("query-named-block-nodes", {"flat": True})
        (bitmap,) = (bitmap for bitmap in records.bitmaps_of(nodes, names) if (bitmap.node, bitmap.name) == (disk.node, copy))
        found: Extents = NO_EXTENTS
        if bitmap.dirty:
            exported = overlays.exported_name(index, copy)
            await overlays.export(session, names.since_export(index), names.overlay(index), exported, bitmap)
            found = await dirty(str(names.socket), exported, copy, disk.size)
            await end_exports(session, names.since_export(index))
        await session.execute("block-dirty-bitmap-remove", {"node": disk.node, "name": copy})
        return found

    async def _watch(self, session: QmpSession, freeze: _Freeze, guard: Guard, limit: int) -> None:
        async def starved() -> bool:
            return not freeze.starved and await overlays.starved(session)

        try:
            await watch(self._names.scratch, limit, starved, self._give_up)
        except (UnderstudyError, OSError) as error:
            guard.ended = f"the space for its scratch files cannot be watched: {error}"

    async def _give_up(self, reason: str) -> None:
        """End the view to save the guest; the records stay as they are until the release."""
        async with self._changing:
            if self._freeze is not None:
                await self._end_view(await self._connected(), reason)

    async def _release(self, committed: bool | None) -> None:
        async with self._changing:
            if self._freeze is not None:
                await self._end(self._freeze, committed, "it was released")

    async def _undo(self, cause: BaseException) -> None:
        """`freeze`, which holds the lock, has failed."""
        if self._freeze is not None:
            try:
                await self._end(self._freeze, False, "it never stood")
            except UnderstudyError as error:
                cause.add_note(f"then it could not be cleaned up: {error}")

    async def _end(self, freeze: _Freeze, committed: bool | None, why: str) -> None:
        async def clean(session: QmpSession) -> None:
            if freeze.viewed:
                await self._end_view(session, why)
            if committed is not None:
                await self._settle(session, freeze.point if committed else freeze.base)

        try:
            await self._insistently(clean)
        except QmpGone:
            # The VM ended, and everything of ours in it.
            await self._end_readers("the VM ended")
            await overlays.remove_scratch(self._names)
            await asyncio.to_thread(forget_socket, self._names)
        self._freeze = None

    async def _end_view(self, session: QmpSession, why: str) -> None:
        await self._end_readers(why)
        freeze = self._freeze
        # Where a dead process left the view, it is to blame.
        to_blame = not (freeze is not None and freeze.starved) and await overlays.saving(session, self._names)
        await overlays.tear_down(session, self._names)
        await stop_server(session, self._names, freeze is not None and freeze.serving)
        await overlays.remove_scratch(self._names)
        if to_blame and await overlays.starved(session):
            # A full scratch file failed the guest's writes. QEMU kept them, and repeats them now that nothing stands in their way.
            await session.execute("cont")

    async def _end_readers(self, why: str) -> None:
        freeze = self._freeze
        if freeze is None:
            return
        if freeze.guard is not None and freeze.guard.ended is None:
            freeze.guard.ended = why
        if freeze.watcher is not None and freeze.watcher is not asyncio.current_task():
            freeze.watcher.cancel()
            await asyncio.wait([freeze.watcher])
        for disk in freeze.disks:
            await disk.end()

    async def _settle(self, session: QmpSession, newest: str | None) -> None:
        """Once more if the block graph changed between question and answer: a disk may be unplugged at any moment."""
        kept = self._names.bitmap(newest) if newest else None
        for attempt in range(3):
            nodes = await session.execute("query-named-block-nodes", {"flat": True})
            try:
                await session.transaction(records.settle(records.bitmaps_of(nodes, self._names), kept))
            except QmpRefused:
                if attempt == 2:
                    raise
            else:
                return
