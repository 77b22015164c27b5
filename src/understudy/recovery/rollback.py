"""Images that ran on past a point are brought back to it, and what they held beyond is saved first.

A block is overwritten only once it is saved durably. Killed at any moment it may simply be repeated: what was saved of an image that has
been written to since is added to, never replaced.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from understudy import extents as ext
from understudy.errors import Conflict, InvalidRequest, UnderstudyError
from understudy.model import BLOCK_SIZE, Extents, blocks_of
from understudy.recovery import standing as st
from understudy.recovery.disk_work import DiskWork, MachineContent, Staged
from understudy.recovery.export.overlay import discard_overlays
from understudy.recovery.orphan import Orphan, OrphanDisk, Saving, must_fit, read_orphan, write_orphan
from understudy.recovery.place import Opened, Place, open_existing
from understudy.recovery.progress import Listener, Meter, unheard
from understudy.recovery.publish import publish
from understudy.recovery.report import RestoredDisk
from understudy.recovery.standing import Holds, Identity, Standing


@dataclass(frozen=True, slots=True)
class RolledBack:
    """`saved`: bytes of each disk that were put aside, by name; 0 if it held nothing beyond the point."""

    point: str
    orphan: Path
    saved: Mapping[str, int]
    disks: tuple[RestoredDisk, ...]
    seconds: float


async def roll_back(
    wanted: MachineContent,
    places: Mapping[str, Place],
    orphan: Path,
    *,
    changed: Mapping[str, Extents] | None = None,
    listener: Listener = unheard,
) -> RolledBack:
    """Make every existing image in `places` (by disk name) hold its disk as of `wanted`, proven. `orphan`: the directory, made if missing,
    for what they hold otherwise; said again with the same one it goes on. `changed`: blocks by disk name outside of which an image is known
    to be as of `wanted`; a disk that is not named is scanned.

    `Conflict` for an image in use, or a directory that holds something else; `StateFailed`, before anything is changed, if it has no room.
    """
    _check(wanted, places)
    began = time.monotonic()
    before = await asyncio.to_thread(read_orphan, orphan)
    # What was brought back before is only looked at: what stands on record of it must stay true.
    done = before is not None and before.state == "done"
    async with AsyncExitStack() as stack:
        works: dict[str, tuple[DiskWork, Opened]] = {}
        for name, place in places.items():
            work = DiskWork(wanted, wanted.disks[name], _nothing, listener)
            try:
                opened = await open_existing(place, work.content.disk, work.subject, read_only=done)
            except UnderstudyError as error:
                raise type(error)(f"disk {name!r}: {error.message}; nothing was changed", hint=error.hint) from error
            stack.push_async_callback(opened.target.close)
            works[name] = (work, opened)
        run = _Rollback(wanted, works, orphan, listener)
        return replace(await run.run(changed or {}), seconds=time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Rollback:
    """All images are open and locked: no VM starts on one between what is saved and what is written."""

    wanted: MachineContent
    works: Mapping[str, tuple[DiskWork, Opened]]
    directory: Path
    listener: Listener

    async def run(self, changed: Mapping[str, Extents]) -> RolledBack:
        record = await asyncio.to_thread(self._record)
        if record.state == "done":
            return await self._ready()
        differing = {}
        for name, (work, opened) in self.works.items():
            known = changed.get(name)
            differing[name] = await work.scan(opened) if known is None else ext.clip(known, blocks_of(work.content.disk.size))
        record = await asyncio.to_thread(self._prepared, record)
        saving = await asyncio.to_thread(Saving, self.directory, record)
        try:
            missing = {name: saving.missing(name, extents) for name, extents in differing.items()}
            await asyncio.to_thread(must_fit, self.directory, missing)
            for name, extents in missing.items():
                await self._save(saving, name, extents)
            record = await self._saved(record)
            staged = []
            for name in self.works:
                record = _with(record, name, overwriting=True)
                await asyncio.to_thread(write_orphan, self.directory, record)
                staged.append(await self._bring(saving, name, differing[name], exact=name not in changed))
            saved = {name: saving.bytes(name) for name in self.works}
        finally:
            await asyncio.to_thread(saving.close)
        for done in staged:
            publish(done, self.wanted.subject(done.disk.name), self.wanted.point)
        await asyncio.to_thread(write_orphan, self.directory, msgspec.structs.replace(record, state="done", saved=sum(saved.values())))
        return RolledBack(self.wanted.point, self.directory, saved, tuple(done.disk for done in staged), 0.0)

    def _record(self) -> Orphan:
        """The one that is there, if it is of this rollback, or a new one. Durable."""
        disks = {
            name: OrphanDisk(id=work.subject.disk, size=work.content.disk.size, path=str(opened.path))
            for name, (work, opened) in self.works.items()
        }
        wanted = Orphan(
            vault=self.wanted.vault, machine=self.wanted.machine, point=self.wanted.point, made=time.time_ns(), state="saving", disks=disks
        )
        found = read_orphan(self.directory)
        if found is None:
            write_orphan(self.directory, wanted)
            return wanted
        plain = {name: msgspec.structs.replace(disk, identity=None, overwriting=False) for name, disk in found.disks.items()}
        if msgspec.structs.replace(found, made=wanted.made, state="saving", saved=None, disks=plain) != wanted:
            raise Conflict(f"{self.directory} holds what was saved by another rollback", hint="name another directory")
        return found

    async def _ready(self) -> RolledBack:
        """It was all done before, if nothing has happened to the images since."""
        disks = []
        for work, opened in self.works.values():
            if len(await work.scan(opened)) if opened.device else opened.held != Holds(self.wanted.point):
                raise _used(opened)
            disk = work.content.disk
            disks.append(RestoredDisk(disk.name, opened.path, disk.size, "known", self.wanted.point, "", 0, 0, proven=opened.device))
        return RolledBack(self.wanted.point, self.directory, dict.fromkeys(self.works, 0), tuple(disks), 0.0)

    def _prepared(self, record: Orphan) -> Orphan:
        """What was saved of images that may have changed since, and were not written to by us, is saved anew."""
        stale = [name for name, (_, opened) in self.works.items() if not _kept(record.disks[name], opened, self.wanted.point)]
        for name in stale:
            record = _with(record, name, identity=None)
        record = msgspec.structs.replace(record, state="saving" if stale else record.state)
        write_orphan(self.directory, record)
        discard_overlays(self.directory, [record.disks[name].id for name in stale])
        return record

    async def _saved(self, record: Orphan) -> Orphan:
        """On record, durably: from now on images may be written to."""
        for name, (work, opened) in self.works.items():
            if opened.device or record.disks[name].overwriting:
                continue
            # What an earlier operation has left there is not to be taken for this one's beginning.
            st.write(opened.path, Standing(subject=work.subject, inode=Identity.of(opened.file).inode))
            record = _with(record, name, identity=await st.settled(opened.file))
        record = msgspec.structs.replace(record, state="saved")
        await asyncio.to_thread(write_orphan, self.directory, record)
        return record

    async def _save(self, saving: Saving, name: str, extents: Extents) -> None:
        meter = Meter(self.listener, "save", name, ext.total(extents) * BLOCK_SIZE)
        await saving.save(name, extents, self.works[name][1].target, meter)

    async def _bring(self, saving: Saving, name: str, extents: Extents, *, exact: bool) -> Staged:
        work, opened = self.works[name]
        reason = "it was compared with the point" if exact else "it was told what had changed"
        written, zeroed = await work.write(opened, extents)
        identity, right = await work.prove(opened)
        if not right:
            reason = "it differed in more than was told"
            more = await work.scan(opened)
            missing = saving.missing(name, more)
            await asyncio.to_thread(must_fit, self.directory, {name: missing})
            await self._save(saving, name, missing)
            await opened.target.reopen()
            again = await work.write(opened, more)
            written, zeroed = written + again[0], zeroed + again[1]
            identity, right = await work.prove(opened)
        if not right:
            raise await work.disproven(opened)
        size = work.content.disk.size
        disk = RestoredDisk(name, opened.path, size, "scan", None, reason, written * BLOCK_SIZE, zeroed * BLOCK_SIZE)
        return Staged(opened, identity, disk, time.time_ns())


def _kept(saved: OrphanDisk, opened: Opened, point: str) -> bool:
    """Whether what is saved of an image stands. `Conflict` if it was begun to be brought back, and has been used since."""
    unchanged = saved.identity is not None and saved.identity == Identity.of(opened.file)
    if not saved.overwriting:
        return unchanged
    standing = None if opened.device else st.read(opened.path)
    begun = standing is not None and standing.towards == point and standing.inode == Identity.of(opened.file).inode
    if opened.device or unchanged or begun or opened.held == Holds(point):
        return True
    raise _used(opened)


def _used(opened: Opened) -> Conflict:
    return Conflict(
        f"{opened.path} was brought back to this point before, and has been used since", hint="name another directory for what it holds now"
    )


def _with(record: Orphan, disk: str, **changes: object) -> Orphan:
    disks = record.disks | {disk: msgspec.structs.replace(record.disks[disk], **changes)}
    return msgspec.structs.replace(record, disks=disks)


async def _nothing(point: str) -> None:
    """What an old primary holds is at no point."""


def _check(wanted: MachineContent, places: Mapping[str, Place]) -> None:
    missing = sorted(places.keys() - wanted.disks.keys())
    if missing or not places:
        raise InvalidRequest(
            f"point {wanted.point} has no disk {missing[0]!r}" if missing else "no disk was named",
            hint=f"it has {', '.join(sorted(wanted.disks))}",
        )
