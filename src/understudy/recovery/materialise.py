"""From whatever targets hold to a wanted point: restore, standby, rollback and failback are this one operation.

Every disk is written and proven first; only then do new files get their names. Killed at any moment it may simply be repeated.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from understudy import extents as ext
from understudy.durable import sync_directory
from understudy.errors import IntegrityError, InvalidRequest, TargetFailed, UnderstudyError
from understudy.model import BLOCK_SIZE, Extents, blocks_of
from understudy.recovery import standing as st
from understudy.recovery.failure import target_failed
from understudy.recovery.linux import rename_new
from understudy.recovery.place import Opened, Place, admit, open_place
from understudy.recovery.progress import Listener, Meter, unheard
from understudy.recovery.protocol import DiskContent, PartContent
from understudy.recovery.report import Restored, RestoredDisk
from understudy.recovery.scan import differing, digest_of
from understudy.recovery.standing import Holds, Identity, Sparse, Standing, Subject, Unknown
from understudy.recovery.transfer import Change, apply, onto_sparse, over
from understudy.vault.access import Secrets


@dataclass(frozen=True, slots=True)
class MachineContent:
    """A machine at one point. Ids in hex; `disks` by name."""

    vault: str
    machine: str
    point: str
    secrets: Secrets
    disks: Mapping[str, DiskContent]


FindPoint: TypeAlias = Callable[[str], Awaitable[MachineContent | None]]
"""A point of the same machine by its id, or None if it is not to be had any more."""

Base: TypeAlias = DiskContent | Extents | None
"""What a target is known to hold: a disk at a point, the wanted content but for some blocks, or nothing but zeros."""

FORGOTTEN = "the point that it holds is no longer in the vault"


async def materialise(
    wanted: MachineContent,
    places: Mapping[str, Place],
    find: FindPoint,
    *,
    overwrite: bool = False,
    listener: Listener = unheard,
) -> Restored:
    """Make every place in `places` (by disk name) hold its disk as of `wanted`; durable and proven when this returns.

    The first failure ends it and names the disk; new files then have not got their names, and a repetition goes on from there.
    `overwrite`: also where a device or a file not known as an image of that disk would be lost.
    """
    _check(wanted, places)
    for name, place in places.items():
        try:
            admit(place, wanted.disks[name].disk, _subject(wanted, name), overwrite=overwrite)
        except UnderstudyError as error:
            raise type(error)(f"disk {name!r}: {error.message}; nothing was written", hint=error.hint) from error
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        staged: list[tuple[Opened, Identity | None, RestoredDisk]] = []
        for name, place in places.items():
            work = _Disk(wanted, wanted.disks[name], find, listener)
            try:
                opened = await open_place(place, work.content.disk, work.subject, wanted.point, overwrite=overwrite)
                stack.push_async_callback(opened.target.close)
                staged.append((opened, *await work.stage(opened)))
            except UnderstudyError as error:
                raise _naming(error, name, len(staged), len(places)) from error
        for opened, identity, disk in staged:
            _publish(opened, identity, _subject(wanted, disk.name), wanted.point)
    return Restored(wanted.point, tuple(disk for _, _, disk in staged), time.monotonic() - began)


class _Forgotten(Exception):
    """What is in the vault does not tell any more what a target holds."""


@dataclass(frozen=True, slots=True)
class _Disk:
    """One disk's way to its target."""

    wanted: MachineContent
    content: DiskContent
    find: FindPoint
    listener: Listener

    @property
    def subject(self) -> Subject:
        return _subject(self.wanted, self.content.disk.name)

    async def stage(self, opened: Opened) -> tuple[Identity | None, RestoredDisk]:
        """Write what differs, and prove the whole. The identity is that of the proven file; None for a device."""
        base, known, reason = await self._base(opened)
        try:
            written, zeroed = await self._write(opened, base)
        except _Forgotten:
            known, reason = None, FORGOTTEN
            written, zeroed = await self._write(opened, await self._scan(opened))
        identity, proven = await self._prove(opened)
        if not proven and (known is not None or isinstance(opened.held, Sparse)):
            reason = "it did not hold what its record said"
            await opened.target.reopen()
            more = await self._write(opened, await self._scan(opened))
            written, zeroed, known = written + more[0], zeroed + more[1], None
            identity, proven = await self._prove(opened)
        if not proven:
            raise await self._disproven(opened)
        return identity, RestoredDisk(
            name=self.content.disk.name,
            path=opened.path,
            size=self.content.disk.size,
            trusted="known" if known else "scan" if reason else "new",
            known_point=known,
            reason=reason,
            written=written * BLOCK_SIZE,
            zeroed=zeroed * BLOCK_SIZE,
        )

    async def _base(self, opened: Opened) -> tuple[Base, str | None, str]:
        """What the target holds, on which point that rests, and why a scan was needed."""
        match opened.held:
            case Sparse():
                return None, None, ""
            case Holds(point):
                base = self.wanted if point == self.wanted.point else await self.find(point)
                there = base.disks.get(self.content.disk.name) if base is not None else None
                if there is not None and there.disk.id == self.content.disk.id:
                    return there, point, ""
                reason = FORGOTTEN
            case Unknown(reason):
                pass
        return await self._scan(opened), None, reason

    async def _scan(self, opened: Opened) -> Extents:
        return await differing(opened.target, self.content, self.wanted.secrets, self.listener)

    async def _write(self, opened: Opened, base: Base) -> tuple[int, int]:
        """Blocks of data and of zeros that were written. Part by part: neither map nor changes of a large disk are had as a whole."""
        ranges = self.content.ranges()
        if base is not None and not isinstance(base, np.ndarray):
            ranges = ext.finer(ranges, base.ranges())
        written = zeroed = 0
        meter: Meter | None = None
        for first, blocks in ranges.tolist():
            part = await self.content.part(first, blocks)
            change = await self._change(base, part, first, blocks)
            if change.blocks and not written + zeroed and not opened.device and not opened.new:
                inode = Identity.of(opened.file).inode
                st.write(opened.path, Standing(subject=self.subject, towards=self.wanted.point, inode=inode))
            # Of a disk in several parts what they come to is not known beforehand: there progress is the place on the disk.
            passed = blocks - change.blocks if len(ranges) > 1 else 0
            total = blocks_of(self.content.disk.size) if len(ranges) > 1 else change.blocks
            meter = meter or Meter(self.listener, "write", self.content.disk.name, total * BLOCK_SIZE)
            await apply(change, part, opened.target, meter)
            meter.add(passed * BLOCK_SIZE)
            written, zeroed = written + ext.total(change.write), zeroed + ext.total(change.zero)
        await opened.target.seal()
        return written, zeroed

    async def _change(self, base: Base, part: PartContent, first: int, blocks: int) -> Change:
        if base is None:
            return onto_sparse(part)
        if isinstance(base, np.ndarray):
            return over(ext.within(base, first, blocks), part, blocks_of(self.content.disk.size))
        try:
            there = await base.part(first, blocks)
            changed = part.differing(there)
        except IntegrityError as error:
            raise _Forgotten from error
        return over(changed, part, blocks_of(self.content.disk.size))

    async def _prove(self, opened: Opened) -> tuple[Identity | None, bool]:
        """Read it all; and no one else may have written meanwhile."""
        identity = None if opened.device else await st.settled(opened.file)
        digest = await digest_of(opened.target, self.wanted.secrets, self.listener, self.content.disk.name)
        if identity is not None and identity != Identity.of(opened.file):
            raise TargetFailed(
                f"{opened.file} was written to by another program meanwhile", hint="see what uses it, and repeat the command"
            )
        return identity, digest == int.from_bytes(self.content.disk.digest, "big")

    async def _disproven(self, opened: Opened) -> UnderstudyError:
        if len(await self._scan(opened)):
            return TargetFailed(
                f"{opened.file} does not hold what was written to it",
                hint="its disk, controller or memory corrupts data: see the kernel's log, and restore to another one",
            )
        return IntegrityError(
            f"disk {self.content.disk.name!r} of point {self.wanted.point}: its blocks are authentic but do not add up to its digest",
            hint="restore another point; understudy verify tells which are whole",
        )


def _subject(wanted: MachineContent, disk: str) -> Subject:
    return Subject(wanted.vault, wanted.machine, wanted.disks[disk].disk.id.hex())


def _publish(opened: Opened, identity: Identity | None, subject: Subject, point: str) -> None:
    """Give a new file its name, and record what the file holds."""
    if identity is None:
        return
    try:
        if opened.new:
            rename_new(opened.file, opened.path)
            sync_directory(opened.path.parent)
        now = Identity.of(opened.path)
    except FileExistsError as error:
        raise TargetFailed(
            f"{opened.path} has appeared meanwhile; it was left alone", hint=f"the restored image is whole and lies at {opened.file}"
        ) from error
    except OSError as error:
        raise target_failed(opened.path, "giving it its name", error) from error
    if (now.inode, now.size, now.mtime_ns) != (identity.inode, identity.size, identity.mtime_ns):
        raise TargetFailed(f"{opened.path} was written to by another program meanwhile", hint="see what uses it, and repeat the command")
    st.write(opened.path, Standing(subject=subject, holds=point, inode=now.inode, identity=now))


def _check(wanted: MachineContent, places: Mapping[str, Place]) -> None:
    missing = sorted(places.keys() - wanted.disks.keys())
    if missing or not places:
        raise InvalidRequest(
            f"point {wanted.point} has no disk {missing[0]!r}" if missing else "no disk was named",
            hint=f"it has {', '.join(sorted(wanted.disks))}",
        )
    paths = [place.path.resolve() for place in places.values()]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"{twice} is named for two disks", hint="give every disk a target of its own")


def _naming(error: UnderstudyError, disk: str, done: int, disks: int) -> UnderstudyError:
    """The same error, saying which disk, and what became of the others."""
    others = f" ({done} of {disks} disks were ready before it)" if disks > 1 else ""
    return type(error)(f"disk {disk!r}: {error.message}{others}", hint=error.hint)
