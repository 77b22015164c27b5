"""A running QEMU that somebody else started, by its QMP socket: changes from dirty bitmaps, frozen by one of several methods.

All disks are frozen at one instant: the old record of changes ends, a new one begins, and a stable view of them stands until the
release. A VM that was paused stays paused.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from understudy.errors import SourceRefused, SourceUnavailable, UnderstudyError
from understudy.finish import finish
from understudy.model import Definition
from understudy.qemu.lifeline import Lifeline
from understudy.qemu.session import QmpGone, QmpRefused, QmpSession
from understudy.source import qemu_bitmaps as records
from understudy.source import qemu_view as overlays
from understudy.source.protocol import CRASH, Snapshot, SourceInfo, Wish
from understudy.source.qemu_around import Around, Moment, entered
from understudy.source.qemu_bitmaps import Action, Record
from understudy.source.qemu_break import BreakSnapshot
from understudy.source.qemu_definition import Devices, define, devices
from understudy.source.qemu_fleecing import Fleecing, at_once
from understudy.source.qemu_frozen import IdleDisk
from understudy.source.qemu_gate import gathered, standing
from understudy.source.qemu_kept import Keeper, room
from understudy.source.qemu_method import AUTO, BREAK_SNAPSHOT, FLEECING, PUSH, Wanted, chosen
from understudy.source.qemu_names import Names
from understudy.source.qemu_pause import Pauser
from understudy.source.qemu_profile import remove_records
from understudy.source.qemu_push import Push
from understudy.source.qemu_scratch import RESERVE
from understudy.source.qemu_server import ServedByAnother, forget_socket, stop_server
from understudy.source.qemu_stage import Stage, View
from understudy.source.qemu_survey import Survey, must_be_here, survey
from understudy.source.qemu_witness import dismissal, witness, witnessed

METHODS: Mapping[str, Callable[[Stage], View]] = {FLEECING: Fleecing, BREAK_SNAPSHOT: BreakSnapshot, PUSH: Push}

Trust = Callable[[QmpSession, Survey, Names, str | None], Awaitable[Sequence[Record]]]
"""For each disk of a survey the record of its changes since the base point (an id; None: there is none), or why none can be trusted."""

AUTOMATIC = Wanted()
FOUND = "it was taken for a dead process's"


@dataclass(slots=True)
class _Freeze:
    """One freeze, from its first command to the end of its release."""

    point: str
    base: str | None
    starved: bool = False
    """Whether the VM stood still already, for want of space or by an error of its storage."""
    view: View | None = None
    """A view that was begun, be it in part."""
    nodes: Sequence[Mapping[str, Any]] = ()
    """QEMU's, with their bitmaps, as they were right after the instant."""


class QemuSource:
    """One VM. `disks` maps names to devices, drives or nodes; empty: every writable disk under its own name, but for those that
    `exclude` names.

    `directory` is the machine's own on this host; scratch files and the NBD socket are made in it by QEMU.
    """

    def __init__(
        self,
        machine: str,
        qmp: str,
        directory: Path,
        disks: Mapping[str, str] | None = None,
        wanted: Wanted = AUTOMATIC,
        *,
        exclude: Collection[str] = (),
        scratch_reserve: int = RESERVE,
    ) -> None:
        self.around: list[Around] = []
        """Put around the instant of every freeze that has a view, the first outermost; the VM runs while they are entered and left."""
        self.trust: Trust = tracked
        """How each disk's base record is judged."""
        self._qmp = qmp
        self._names = Names(machine, directory.absolute())
        self._keeper = Keeper(self._names)
        self._selection = dict(disks or {})
        self._exclude = frozenset(exclude)
        self._wanted = wanted
        self._reserve = scratch_reserve
        self._session: QmpSession | None = None
        self._lifeline = Lifeline()
        self._pauser = Pauser(self._connected, self._lifeline, self._names.directory)
        self._freeze: _Freeze | None = None
        self._view_wanted = False
        self._defined: tuple[object, Definition] | None = None
        self._changing = asyncio.Lock()

    async def probe(self) -> SourceInfo:
        session = await self._connected()
        found = await survey(session, self._selection, self._exclude)
        method = chosen(found.capabilities, self._wanted)
        definition = await self._definition(session, found, await devices(session))
        fleeting = tuple(disk.name for disk in found.disks if not room(found, disk))
        info = SourceInfo("qemu", method, found.infos, definition, lasting=method == PUSH, fleeting=fleeting)
        return replace(info, excluded=found.excluded, absent=found.absent)

    async def relieve(self) -> None:
        async with self._changing:
            await self._end_readers(FOUND)
            await self._pauser.relieve()
            await self._insistently(self._end_view)

    async def recover(self, newest: str | None) -> None:
        async def clean(session: QmpSession) -> None:
            await self._end_view(session)
            await self._settle(session, newest)

        async with self._changing:
            await self._end_readers(FOUND)
            await self._pauser.relieve()
            await self._insistently(clean)
            self._freeze = None

    async def freeze(self, point: str, base: str | None, wish: Wish = CRASH) -> Snapshot:
        async with self._changing:
            if self._freeze is not None:
                raise SourceRefused("this VM is frozen already")
            session = await self._connected()
            if wish.gate is not None:
                # Other VMs would stand still while it starts.
                self._lifeline.start()
            self._freeze = _Freeze(point, base)
            try:
                return await self._begin(session, self._freeze, wish)
            except BaseException as error:
                await finish(self._undo(error))
                raise

    async def release(self, committed: bool | None) -> None:
        await finish(self._release(committed))

    async def pending(self) -> int | None:
        nodes = await self._nodes(await self._connected())
        recording = [bitmap.dirty for bitmap in records.bitmaps_of(nodes, self._names) if bitmap.recording]
        return sum(recording) if recording else None

    async def remove(self) -> None:
        await self.recover(None)
        await self._insistently(lambda session: remove_records(session, Names.profile_prefix(self._names.machine)))

    async def close(self) -> None:
        try:
            await self.release(None)
        finally:
            self._lifeline.close()
            await self._keeper.close()
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

    async def _definition(self, session: QmpSession, found: Survey, plugged: Devices) -> Definition:
        """Asked for anew only when something was plugged in or out, or in another session."""
        key = (session, found.disks, found.infos, plugged)
        if self._defined is None or self._defined[0] != key:
            self._defined = (key, await define(session, found, plugged))
        return self._defined[1]

    async def _begin(self, session: QmpSession, freeze: _Freeze, wish: Wish) -> Snapshot:
        found, plugged = await asyncio.gather(survey(session, self._selection, self._exclude), devices(session))
        freeze.starved = found.starved
        definition = await self._definition(session, found, plugged)
        if await self._keeper.adopt(session, found, freeze.base):
            found = replace(found, nodes=await self._nodes(session))
        bases = self._keeper.explained(found, freeze.base, await self.trust(session, found, self._names, freeze.base))
        if await witness(session, found.nodes, self._names, found.disks):
            found = replace(found, nodes=await self._nodes(session))
        await self._keeper.begin(session, found, freeze.point, freeze.base, bases)
        moment = Moment(session, self._lifeline, wish, freeze.point)
        if wish == CRASH and not self._view_wanted and records.idle(bases):
            frozen_at = await at_once(session, self._records(freeze, found, bases))
            if records.idle(await self._ended(session, freeze, found, bases)):
                idle = tuple(IdleDisk(info, self._want_view) for info in found.infos)
                method = chosen(found.capabilities, self._wanted)
                return Snapshot(frozen_at, method, moment.consistency, idle, definition, excluded=found.excluded)
            # Something was written in the last moment: that must be read, from a view.
            await self._settle(session, freeze.base)
            await self._keeper.begin(session, found, freeze.point, freeze.base, bases)
        method, view = await self._prepared(session, freeze, found, bases, wish)
        self._view_wanted = False
        async with entered([gathered, *self.around, standing(self._pauser, view.pauses)], moment):
            frozen_at = await view.instant(self._records(freeze, found, bases))
        disks = await view.open(await self._ended(session, freeze, found, bases))
        return Snapshot(
            *(frozen_at, method, moment.consistency, disks, definition),
            downgrade=moment.downgrade,
            paused=moment.paused,
            quiesced=moment.quiesced,
            excluded=found.excluded,
        )

    async def _prepared(self, session: QmpSession, freeze: _Freeze, found: Survey, bases: Sequence[Record], wish: Wish) -> tuple[str, View]:
        """A view that only its instant is missing to. Whether somebody else's NBD server is in the way shows when ours is started."""
        capabilities = found.capabilities
        while True:
            method = chosen(capabilities, self._wanted)
            stage = Stage(
                *(session, self._lifeline, self._names, found, freeze.point, bases),
                reserve=self._reserve,
                whole=self._view_wanted or wish.view,
                want=self._want_view,
                starved=freeze.starved,
                give_up=self._give_up,
            )
            freeze.view = METHODS[method](stage)
            try:
                await freeze.view.prepare()
            except ServedByAnother:
                if self._wanted.method != AUTO or capabilities.served:
                    raise
                capabilities = replace(capabilities, served=True)
            else:
                return method, freeze.view

    def _want_view(self) -> None:
        self._view_wanted = True

    def _records(self, freeze: _Freeze, found: Survey, bases: Sequence[Record]) -> list[Action]:
        """New records begin where the bases' end."""
        known, new = records.bitmaps_of(found.nodes, self._names), self._names.bitmap(freeze.point)
        spoiled = self._names.bitmap(freeze.base) if freeze.base else None
        actions: list[Action] = []
        for disk, record in zip(found.disks, bases, strict=True):
            actions += records.begin(known, disk.node, new, record, spoiled)
        return actions

    async def _ended(self, session: QmpSession, freeze: _Freeze, found: Survey, bases: Sequence[Record]) -> list[Record]:
        """The bases' records as they are after their end. Had the VM moved by then, the images would be another's already."""
        freeze.nodes, said = await asyncio.gather(self._nodes(session), session.execute("query-status"))
        await must_be_here(session, said["status"])
        ended = {(bitmap.node, bitmap.name): bitmap for bitmap in records.bitmaps_of(freeze.nodes, self._names)}
        gone = "the disk was removed"
        now = [record if isinstance(record, str) else ended.get((record.node, record.name), gone) for record in bases]
        return [witnessed(freeze.nodes, self._names, disk, record) for disk, record in zip(found.disks, now, strict=True)]

    async def _give_up(self, reason: str) -> None:
        """End the view to save the guest; the records stay as they are until the release."""
        async with self._changing:
            if self._freeze is not None:
                await self._end_readers(reason)
                await self._end_view(await self._connected())

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
            if freeze.view is not None or committed is not True:
                # A freeze that failed may have left what makes a witness.
                await self._end_view(session)
            if committed is not None:
                # What is dropped then needs no second look: where it is gone QEMU refuses, and is asked.
                known = freeze.nodes if committed else ()
                await self._settle(session, freeze.point if committed else freeze.base, known)

        await self._end_readers(why)
        try:
            await self._insistently(clean)
        except QmpGone:
            # The VM ended, and everything of ours in it.
            await overlays.remove_scratch(self._names)
            await asyncio.to_thread(forget_socket, self._names)
        self._freeze = None

    async def _end_view(self, session: QmpSession) -> None:
        """Those who read or stand by must have ended: the latter hold the connection to QEMU, which serves one at a time."""
        freeze = self._freeze
        # Where a dead process left the view, it is to blame.
        to_blame = not (freeze is not None and freeze.starved) and await overlays.saving(session, self._names)
        await overlays.tear_down(session, self._names)
        await stop_server(session, self._names, freeze is not None and freeze.view is not None and freeze.view.serving)
        await overlays.remove_scratch(self._names)
        if to_blame and await overlays.starved(session):
            # A full scratch file failed the guest's writes. QEMU kept them, and repeats them now that nothing stands in their way.
            await session.execute("cont")

    async def _end_readers(self, why: str) -> None:
        if self._freeze is not None and self._freeze.view is not None:
            await self._freeze.view.end(why)

    async def _settle(self, session: QmpSession, newest: str | None, known: Sequence[Mapping[str, Any]] = ()) -> None:
        """Once more if the block graph changed between question and answer: a disk may be unplugged at any moment.

        `known`: its nodes, where they were listed since the last record of ours was made.
        """
        kept = self._names.bitmap(newest) if newest else None
        for attempt in range(3):
            nodes = known or await self._nodes(session)
            actions = records.settle(records.bitmaps_of(nodes, self._names), kept) + dismissal(nodes, self._names, kept)
            try:
                await session.transaction(actions)
            except QmpRefused:
                if attempt == 2:
                    raise
                known = ()
            else:
                break
        await self._keeper.settle(session, nodes, newest)

    async def _nodes(self, session: QmpSession) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = await session.execute("query-named-block-nodes", {"flat": True})
        return found


async def tracked(session: QmpSession, found: Survey, names: Names, base: str | None) -> list[Record]:
    """Records that QEMU itself vouches for, since they began in it."""
    known = records.bitmaps_of(found.nodes, names)
    name = names.bitmap(base) if base else None
    own = {disk.node for disk in found.disks}
    bases = [
        records.usable_base([bitmap for bitmap in known if bitmap.node not in own - {disk.node}], disk.node, name) for disk in found.disks
    ]
    return [witnessed(found.nodes, names, disk, record) for disk, record in zip(found.disks, bases, strict=True)]
