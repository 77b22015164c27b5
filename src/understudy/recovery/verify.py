"""Prove recovery points without restoring them. The first thing found damaged does not end the examination."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from understudy.errors import IntegrityError
from understudy.model import Data
from understudy.native import blockhash
from understudy.recovery.frames import FrameCheck, name_of
from understudy.recovery.lanes import each, spread
from understudy.recovery.ledger import Ledger
from understudy.recovery.progress import Listener, Meter, unheard
from understudy.recovery.scrub import IN_MEMORY, lanes
from understudy.recovery.unreadable import UNREADABLE
from understudy.recovery.verdict import Level, Proven, Verified
from understudy.vault import names
from understudy.vault.kinds import ObjectRef
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.history import History
from understudy.vault.maps.honest import honest
from understudy.vault.maps.lineage import trace
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.reader import LargeDisk, large_disks
from understudy.vault.packs import pack_layout


async def verify_points(history: History, points: Sequence[str], level: Level, listener: Listener = unheard) -> Verified:
    """Examine points of one machine (ids in hex), each frame and pack once however many need it.

    scrub: every pack that a point needs is there, is the one that its record names, and has its hash. frames: every frame that it
    needs opens, decompresses and has its signatures (takes the recovery key: AccessDenied). digest: frames, and each disk's
    blocks add up to the digest in the point's record. Checkpoints are compared with the footers. `NotFound` for an unknown point, or one
    that was dropped; of several those that were dropped since they were listed are left out.
    """
    wanted = [bytes.fromhex(point) for point in points]
    entries = [history.find(point) for point in [point for point in wanted if point not in history.dropped] or wanted]
    began = time.monotonic()
    proven_history, lies = await honest(history)
    work = _Verification(proven_history, level, listener)
    for lie in lies:
        work.ledger.note(lie.partition(":")[0], lie)
    for entry in entries:
        await work.point(entry)
    proven = tuple(Proven(entry.seq, entry.point.id.hex(), work.ledger.of_point(entry.point.id.hex())) for entry in entries)
    return Verified(level, proven, work.ledger.all(), work.objects, work.read, time.monotonic() - began)


@dataclass(slots=True)
class _Verification:
    """One run, point after point."""

    history: History
    level: Level
    listener: Listener
    ledger: Ledger = field(default_factory=Ledger)
    objects: int = 0
    read: int = 0
    _frames: FrameCheck = field(init=False)
    _packs: dict[bytes, str] = field(default_factory=dict)
    """Packs that were scrubbed, by id: the name of what is damaged, empty if they are whole."""

    _definitions: dict[str, bool] = field(default_factory=dict)
    """Definitions that were read, by name: whether they are whole."""

    def __post_init__(self) -> None:
        self._frames = FrameCheck(self.history, self.ledger)

    async def point(self, entry: PointEntry) -> None:
        """Everything that this point needs and no earlier one did."""
        point = entry.point.id.hex()
        await self._definition(entry.point.definition, point)
        try:
            parts = await PointParts.open(self.history, entry.point.id)
            # Those that its maps refer to, and those that it brought.
            packs = {pack.id: pack for pack in [*await self.history.packs_of(entry), *await parts.packs()]}
        except UNREADABLE as error:
            self._blame(f"point {point}", error.message, point)
            # Nothing tells any more which frames it needs; what else is damaged is looked for in everything that it was made of.
            await self._scrub(await self._lineage(entry), point)
            return
        for reason in parts.ignored:
            # The point is whole without the checkpoint, but somebody should know.
            self.ledger.note(f"a checkpoint before point {point}", reason)
        if self.level == "scrub":
            await self._scrub(list(packs.values()), point)
        else:
            await self._disks(parts, point)

    async def _definition(self, ref: ObjectRef | None, point: str) -> None:
        if ref is None:
            return
        name = names.side_object(names.machine(self.history.machine_id), ref.hash.hex())
        if name not in self._definitions:
            self._definitions[name] = True
            try:
                await self.history.side_object("definition", ref)
            except UNREADABLE as error:
                self._definitions[name] = False
                self.ledger.note(name, error.message)
        if not self._definitions[name]:
            self.ledger.blame(name, point)

    async def _lineage(self, entry: PointEntry) -> list[PackAt]:
        """The packs of a point and of all its ancestors, as far as they can be told."""
        try:
            entries = trace(self.history.entries, entry.point.id, self.history.maps, entry.seq).entries
        except UNREADABLE:
            entries = (entry,)
        packs: dict[bytes, PackAt] = {}
        for ancestor in entries:
            try:
                packs.update((pack.id, pack) for pack in await self.history.packs_of(ancestor))
            except UNREADABLE as error:
                self._blame(f"point {ancestor.point.id.hex()}", error.message, entry.point.id.hex())
        return list(packs.values())

    async def _scrub(self, packs: Sequence[PackAt], point: str) -> None:
        new = [pack for pack in packs if pack.id not in self._packs]
        meter = Meter(self.listener, "check", "", sum(pack.size for pack in new))

        async def examine(pack: PackAt) -> None:
            name = name_of(self.history, pack)
            try:
                data = await self._bytes(pack)
                self.read += len(data)
                await asyncio.to_thread(_scrub_as, pack, data)
                self._packs[pack.id] = ""
            except UNREADABLE as error:
                self._packs[pack.id] = name
                self.ledger.note(name, error.message)
            meter.add(pack.size)

        await spread(each(new), examine, lanes(self.history.store), lambda pack: pack.size, IN_MEMORY)
        self.objects += len(new)
        for pack in packs:
            if self._packs[pack.id]:
                self.ledger.blame(self._packs[pack.id], point)

    async def _bytes(self, pack: PackAt) -> Data:
        if pack.seq:
            return await self.history.inline_pack(pack)
        return await self.history.store.get(names.pack(self.history.machine_id, pack.id.hex()), 0, pack.size + 1)

    async def _disks(self, parts: PointParts, point: str) -> None:
        for disk in large_disks(self.history, parts):
            meter = Meter(self.listener, "check", disk.disk.name, 0)
            try:
                damaged: set[str] = set()
                for first, blocks in disk.ranges().tolist():
                    damaged |= await self._frames.examine(await disk.part(first, blocks), meter)
                self.read += meter.done
                self.objects = len(self._frames.table.packs)
                for name in damaged:
                    self.ledger.blame(name, point)
                if self.level == "digest" and not damaged:
                    await self._digest(disk, point)
            except UNREADABLE as error:
                self._blame(f"disk {disk.disk.name} of point {point}", error.message, point)

    async def _digest(self, disk: LargeDisk, point: str) -> None:
        """Every frame was compared with its signatures, so these stand for the disk's blocks."""
        total = 0
        async with aclosing(disk.signatures()) as chunks:
            async for extents, signatures in chunks:
                total += blockhash.digest(extents, signatures, self.history.access.secrets.digest)
        if total % (1 << 128) != int.from_bytes(disk.disk.digest, "big"):
            raise IntegrityError("its blocks are authentic but do not add up to the digest in its record")

    def _blame(self, name: str, reason: str, point: str) -> None:
        self.ledger.note(name, reason)
        self.ledger.blame(name, point)


def _scrub_as(pack: PackAt, data: Data) -> None:
    if pack_layout.scrub(pack.id, data) != pack.hash or len(data) != pack.size:
        raise pack_layout.damaged(pack.id, "is not the pack that its record names")
