"""One disk's way from what its target holds to a point: write what differs, and prove it."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import msgspec
import numpy as np

from understudy import extents as ext
from understudy.errors import IntegrityError, TargetFailed, UnderstudyError
from understudy.finish import finish
from understudy.model import BLOCK_SIZE, Extents, blocks_of
from understudy.recovery import standing as st
from understudy.recovery.failure import written_meanwhile
from understudy.recovery.place import Opened
from understudy.recovery.progress import Listener, Meter
from understudy.recovery.protocol import DiskContent, PartContent
from understudy.recovery.report import RestoredDisk
from understudy.recovery.scan import differing, digest_of
from understudy.recovery.standing import Held, Holds, Identity, Mixed, Sparse, Standing, Subject, Unknown
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

    def subject(self, disk: str) -> Subject:
        return Subject(self.vault, self.machine, self.disks[disk].disk.id.hex())


FindPoint: TypeAlias = Callable[[str], Awaitable[MachineContent | None]]
"""A point of the same machine by its id, or None if it is not to be had any more."""

Base: TypeAlias = Sequence[DiskContent] | Extents | None
"""What a target is known to hold: each block as one of these has it, the wanted content but for some blocks, or nothing but zeros."""

OTHERWISE = "it did not hold what was just written: another program wrote to it, or its disk fails"
FORGOTTEN = "the point that it holds is no longer in the vault"
MOST_MIXED = 4
"""Points that blocks of one image may be of: each one more is one more map to read."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A disk whose content is durable and right. The identity is that of the file then; None for a device."""

    opened: Opened
    identity: Identity | None
    disk: RestoredDisk
    proven: int
    """When its whole content was last proven (wall-clock ns)."""


class _Forgotten(Exception):
    """What is in the vault does not tell any more what a target holds."""


@dataclass(frozen=True, slots=True)
class DiskWork:
    """One disk's way to its target. `trusting`: what is known to hold a point is not read again after the change."""

    wanted: MachineContent
    content: DiskContent
    find: FindPoint
    listener: Listener
    trusting: bool = False

    @property
    def subject(self) -> Subject:
        return self.wanted.subject(self.content.disk.name)

    async def stage(self, opened: Opened) -> Staged:
        """Write what differs, and prove the whole, unless it is trusted."""
        base, known, reason = await self._base(opened)
        try:
            written, zeroed = await self._write_from(opened, base)
        except _Forgotten:
            base, known, reason = await self.scan(opened), None, FORGOTTEN
            written, zeroed = await self.write(opened, base)
        trusted = self.trusting and opened.proven > 0 and known is not None and self._same_size(base)
        proven = opened.proven if trusted else time.time_ns()
        identity, right = (await st.settled(opened.file), True) if trusted else await self.prove(opened)
        if not right and (known is not None or isinstance(opened.held, Sparse)):
            reason = OTHERWISE if known is None else "it did not hold what its record said"
            await opened.target.reopen()
            more = await self.write(opened, await self.scan(opened))
            written, zeroed, known = written + more[0], zeroed + more[1], None
            identity, right = await self.prove(opened)
        if not right:
            raise await self.disproven(opened)
        disk = RestoredDisk(
            name=self.content.disk.name,
            path=opened.path,
            size=self.content.disk.size,
            trusted="known" if known else "scan" if reason else "new",
            known_point=known,
            reason=reason,
            written=written * BLOCK_SIZE,
            zeroed=zeroed * BLOCK_SIZE,
            proven=not trusted,
        )
        return Staged(opened, identity, disk, proven)

    async def scan(self, opened: Opened) -> Extents:
        """The blocks that the target holds otherwise."""
        return await differing(opened.target, self.content, self.wanted.secrets, self.listener)

    async def write(self, opened: Opened, base: Base) -> tuple[int, int]:
        """Blocks of data and of zeros that were written; durable when it returns."""
        written = await self._write(opened, base)
        await opened.target.seal()
        return written

    async def prove(self, opened: Opened) -> tuple[Identity | None, bool]:
        """Read it all; and no one else may have written meanwhile."""
        identity = None if opened.device else await st.settled(opened.file)
        digest = await digest_of(opened.target, self.wanted.secrets, self.listener, self.content.disk.name)
        if identity is not None and identity != Identity.of(opened.file):
            raise written_meanwhile(opened.file)
        return identity, digest == int.from_bytes(self.content.disk.digest, "big")

    async def disproven(self, opened: Opened) -> UnderstudyError:
        """Why it is wrong even after a scan."""
        if len(await self.scan(opened)):
            return TargetFailed(
                f"{opened.file} does not hold what was written to it",
                hint="another program writes to it, or its disk, controller or memory corrupts data: see what has it open and the kernel's"
                " log, or restore to another one",
            )
        return IntegrityError(
            f"disk {self.content.disk.name!r} of point {self.wanted.point}: its blocks are authentic but do not add up to its digest",
            hint="restore another point; understudy verify tells which are whole",
        )

    async def _base(self, opened: Opened) -> tuple[Base, str | None, str]:
        """What the target holds, on which point that rests, and why a scan was needed."""
        match opened.held:
            case Sparse():
                return None, None, ""
            case Holds(point):
                there = await self._there((point,))
                if there:
                    return there, point, ""
                reason = FORGOTTEN
            case Mixed(points):
                there = await self._there(points)
                if there:
                    return there, points[0], ""
                reason = FORGOTTEN
            case Unknown(reason):
                pass
        return await self.scan(opened), None, reason

    async def _there(self, points: Sequence[str]) -> Sequence[DiskContent]:
        """The disk at these points; none if one of them cannot be had."""
        found: list[DiskContent] = []
        for point in points:
            base = self.wanted if point == self.wanted.point else await self.find(point)
            there = base.disks.get(self.content.disk.name) if base is not None else None
            if there is None or there.disk.id != self.content.disk.id:
                return ()
            found.append(there)
        return found

    def _same_size(self, base: Base) -> bool:
        """An image that was cut and extended again may show old bytes at the seam: that one is read."""
        return isinstance(base, Sequence) and all(there.disk.size == self.content.disk.size for there in base)

    async def _write_from(self, opened: Opened, base: Base) -> tuple[int, int]:
        """The same as `write`. Given up in an orderly way, what the target holds stays known."""
        try:
            written = await self._write(opened, base)
        except _Forgotten:
            raise
        except BaseException:
            if isinstance(base, Sequence):
                await finish(self._leave(opened))
            raise
        await opened.target.seal()
        return written

    async def _leave(self, opened: Opened) -> None:
        """Best effort: without, the next one scans."""
        points = () if opened.device or opened.new else _points_of(opened.held)
        standing = st.read(opened.path) if points else None
        if standing is None or not standing.towards or len(points) > MOST_MIXED:
            return
        with suppress(UnderstudyError):
            await opened.target.seal()
            identity = await st.settled(opened.file)
            mixed = tuple(dict.fromkeys((*points, self.wanted.point)))
            st.write(opened.path, msgspec.structs.replace(standing, identity=identity, mixed=mixed, proven=opened.proven))

    async def _write(self, opened: Opened, base: Base) -> tuple[int, int]:
        """Part by part: neither map nor changes of a large disk are had as a whole."""
        ranges = self.content.ranges()
        if isinstance(base, Sequence):
            for there in base:
                ranges = ext.finer(ranges, there.ranges())
        written = zeroed = 0
        roomy = base is None and await asyncio.to_thread(self._roomy, opened)
        meter: Meter | None = None
        for first, blocks in ranges.tolist():
            part = await self.content.part(first, blocks)
            change = onto_sparse(part, roomy=roomy) if base is None else await self._change(base, part, first, blocks)
            if change.blocks and not written + zeroed and not opened.device and not opened.new:
                inode = Identity.of(opened.file).inode
                came = _points_of(opened.held)[:1] if isinstance(base, Sequence) else ()
                st.write(opened.path, Standing(subject=self.subject, holds="".join(came), towards=self.wanted.point, inode=inode))
            # Of a disk in several parts what they come to is not known beforehand: there progress is the place on the disk.
            passed = blocks - change.blocks if len(ranges) > 1 else 0
            total = blocks_of(self.content.disk.size) if len(ranges) > 1 else change.blocks
            meter = meter or Meter(self.listener, "write", self.content.disk.name, total * BLOCK_SIZE)
            await apply(change, part, opened.target, meter)
            meter.add(passed * BLOCK_SIZE)
            written, zeroed = written + ext.total(change.write), zeroed + ext.total(change.zero)
        return written, zeroed

    def _roomy(self, opened: Opened) -> bool:
        """All of the machine's disks would fit where this one is, had they no holes."""
        there = os.statvfs(opened.file)
        return there.f_bavail * there.f_frsize >= sum(content.disk.size for content in self.wanted.disks.values())

    async def _change(self, base: Extents | Sequence[DiskContent], part: PartContent, first: int, blocks: int) -> Change:
        total = blocks_of(self.content.disk.size)
        if isinstance(base, np.ndarray):
            return over(ext.within(base, first, blocks), part, total)
        try:
            changed = [part.differing(await there.part(first, blocks)) for there in base]
        except IntegrityError as error:
            raise _Forgotten from error
        return over(ext.union(*changed), part, total)


def _points_of(held: Held) -> tuple[str, ...]:
    """The points that blocks may be of; none if that is not known."""
    match held:
        case Holds(point):
            return (point,)
        case Mixed(points):
            return points
    return ()
