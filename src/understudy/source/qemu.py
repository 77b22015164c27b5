"""A running QEMU that somebody else started, by its QMP socket: changes from dirty bitmaps, frozen by fleecing.

All disks are frozen in one transaction, without a pause: the old record of changes ends, a new one begins, and a backup job starts to
save what the guest is about to overwrite. A VM that was paused stays paused.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from understudy.errors import SourceRefused, UnderstudyError
from understudy.model import NO_EXTENTS, Extents
from understudy.qemu.blocklayer import end_exports
from understudy.qemu.session import QmpGone, QmpRefused, QmpSession
from understudy.source import qemu_bitmaps as records
from understudy.source import qemu_view as view
from understudy.source.finish import finish
from understudy.source.protocol import Snapshot, SourceInfo
from understudy.source.qemu_definition import define
from understudy.source.qemu_disks import QemuDisk
from understudy.source.qemu_frozen import FrozenDisk, Guard, dirty
from understudy.source.qemu_names import Names
from understudy.source.qemu_scratch import RESERVE, floor, refuse_without_space, watch
from understudy.source.qemu_server import forget_socket, start_server, stop_server
from understudy.source.qemu_survey import survey

METHOD = "fleecing"


@dataclass(slots=True)
class _Freeze:
    """One freeze, from its first command to the end of its release."""

    point: str
    base: str | None
    serving: bool = False
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
        self._names = Names(machine, directory)
        self._selection = dict(disks or {})
        self._reserve = scratch_reserve
        self._session: QmpSession | None = None
        self._freeze: _Freeze | None = None
        self._changing = asyncio.Lock()

    async def probe(self) -> SourceInfo:
        session = await self._connected()
        found = await survey(session, self._selection)
        return SourceInfo("qemu", METHOD, found.infos, await define(session, found))

    async def recover(self, newest: str | None) -> None:
        async with self._changing:
            session = await self._connected()
            await self._end_view(session, "it was taken for a dead process's")
            await self._settle(session, newest)
            self._freeze = None

    async def freeze(self, point: str, base: str | None) -> Snapshot:
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
            self._session = await QmpSession.connect(self._qmp)
        return self._session

    async def _begin(self, session: QmpSession, freeze: _Freeze) -> Snapshot:
        names = self._names
        found = await survey(session, self._selection)
        definition = await define(session, found)
        total = sum(disk.size for disk in found.disks)
        await asyncio.to_thread(partial(names.scratch.mkdir, mode=0o700, parents=True, exist_ok=True))
        await refuse_without_space(names.scratch, total, self._reserve)
        await start_server(session, names)
        freeze.serving = True
        for index, disk in enumerate(found.disks):
            await view.make_overlay(session, names, index, disk)
        known = records.bitmaps_of(found.nodes, names)
        base = names.bitmap(freeze.base) if freeze.base else None
        bases = [records.usable_base(known, disk.node, base) for disk in found.disks]
        actions = []
        for index, (disk, record) in enumerate(zip(found.disks, bases, strict=True)):
            actions += view.freeze_actions(names, index, disk)
            actions += records.begin(disk.node, names.bitmap(freeze.point), None if isinstance(record, str) else record)
        frozen_at = time.time_ns()
        await session.transaction(actions)
        nodes = await session.execute("query-named-block-nodes", {"flat": True})
        ended = {(bitmap.node, bitmap.name): bitmap for bitmap in records.bitmaps_of(nodes, names)}
        guard = freeze.guard = Guard(session, names, len(found.disks))
        for index, (disk, info, record) in enumerate(zip(found.disks, found.infos, bases, strict=True)):
            final = record if isinstance(record, str) else ended.get((record.node, record.name), "the disk was removed")
            exported = view.exported_name(index, freeze.point)
            bitmap = None if isinstance(final, str) else final
            await view.export(session, names.export(index), names.overlay(index), exported, bitmap)
            since = partial(self._since, session, index, disk, freeze.point)
            freeze.disks.append(FrozenDisk(info, guard, names, exported, final, since))
        freeze.watcher = asyncio.ensure_future(self._watch(guard, floor(total, self._reserve)))
        return Snapshot(frozen_at, METHOD, "crash", tuple(freeze.disks), definition)

    async def _since(self, session: QmpSession, index: int, disk: QemuDisk, point: str) -> Extents:
        """What the guest wrote, discarded or zeroed since the freeze."""
        names = self._names
        copy = names.since_bitmap(point)
        await session.transaction(records.copied(disk.node, names.bitmap(point), copy))
        nodes = await session.execute("query-named-block-nodes", {"flat": True})
        (bitmap,) = (bitmap for bitmap in records.bitmaps_of(nodes, names) if (bitmap.node, bitmap.name) == (disk.node, copy))
        found: Extents = NO_EXTENTS
        if bitmap.dirty:
            exported = view.exported_name(index, copy)
            await view.export(session, names.since_export(index), names.overlay(index), exported, bitmap)
            found = await dirty(str(names.socket), exported, copy, disk.size)
            await end_exports(session, names.since_export(index))
        await session.execute("block-dirty-bitmap-remove", {"node": disk.node, "name": copy})
        return found

    async def _watch(self, guard: Guard, limit: int) -> None:
        try:
            await watch(self._names.scratch, limit, self._give_up)
        except (UnderstudyError, OSError) as error:
            guard.ended = f"the space for its scratch files cannot be watched: {error}"

    async def _give_up(self, reason: str) -> None:
        """End the view to save the guest; the records stay as they are until the release."""
        async with self._changing:
            if self._freeze is not None:
                await self._end_view(await self._connected(), reason)

    async def _release(self, committed: bool | None) -> None:
        async with self._changing:
            freeze = self._freeze
            if freeze is None:
                return
            try:
                session = await self._connected()
            except QmpGone:
                # The VM ended, and everything of ours in it.
                await self._end_readers("the VM ended")
                await view.remove_scratch(self._names)
                await asyncio.to_thread(forget_socket, self._names)
                self._freeze = None
                return
            await self._end_view(session, "it was released")
            if committed is not None:
                await self._settle(session, freeze.point if committed else freeze.base)
            self._freeze = None

    async def _undo(self, cause: BaseException) -> None:
        """`freeze` holds the lock and has failed."""
        freeze, session = self._freeze, self._session
        assert freeze is not None
        try:
            if session is None or session.closed:
                session = await self._connected()
            await self._end_view(session, "it never stood")
            await self._settle(session, freeze.base)
        except QmpGone:
            await self._end_readers("the VM ended")
            await view.remove_scratch(self._names)
            await asyncio.to_thread(forget_socket, self._names)
        except UnderstudyError as error:
            cause.add_note(f"then it could not be cleaned up: {error}")
            return
        self._freeze = None

    async def _end_view(self, session: QmpSession, why: str) -> None:
        await self._end_readers(why)
        serving = self._freeze is not None and self._freeze.serving
        await view.tear_down(session, self._names)
        await stop_server(session, self._names, serving)
        await view.remove_scratch(self._names)

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
