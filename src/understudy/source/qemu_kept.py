"""Records of changes that outlive their QEMU, in the image itself, and whether they count in the next one.

Beside each record in QEMU's memory there is such one, begun just before it and never switched off, so that it has all of it. Only
what is in memory is ever compared by: it proves that it began in this QEMU. In a new one it is made of what was kept, if nobody
else can have written to the image's files in between.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from understudy.qemu.session import QmpRefused, QmpSession
from understudy.source import qemu_bitmaps as records
from understudy.source.file_facts import Process, process
from understudy.source.image_chain import Chain, chain, keeps_records
from understudy.source.image_watch import ImageWatch
from understudy.source.qemu_bitmaps import Action, Bitmap, Record
from understudy.source.qemu_disks import QemuDisk
from understudy.source.qemu_names import Names
from understudy.source.qemu_survey import Survey

RESTARTED = "the VM was restarted, and "
NOTHING = "nothing was kept in its image"
NO_ROOM = "a record that outlives that needs a qcow2 image: for a raw disk `understudy wrap` makes one"
BROKEN = RESTARTED + "QEMU says that the record kept in its image is inconsistent: it was not shut down in order"
OFF = RESTARTED + "the record kept in its image was switched off by someone else"
RESIZED = RESTARTED + "the disk was resized since the last point"


class Keeper:
    """Of one VM."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._watch = ImageWatch()
        self._doubts: dict[tuple[str, str], str] = {}
        """Of the present QEMU: by node and base why its record does not count, in case it is asked again."""

    async def adopt(self, session: QmpSession, found: Survey, base: str | None) -> bool:
        """Where there is no record in memory make one of what was kept, if that counts. Whether any was made; it is judged as all are."""
        holder = _holder(session)
        if base is None or holder is None or self._watch.knows(holder):
            return False
        known = {(bitmap.node, bitmap.name) for bitmap in records.bitmaps_of(found.nodes, self._names)}
        lost = [disk for disk in found.disks if (disk.node, self._names.bitmap(base)) not in known]
        doubts = {disk: self._unfit(found, disk, base) for disk in lost}
        asked = [disk for disk, doubt in doubts.items() if not doubt]
        if asked:
            told = await self._watch.confirm(holder, [(_chain(found, disk), self._names.kept(base)) for disk in asked])
            for disk, doubt in zip(asked, told, strict=True):
                doubts[disk] = RESTARTED + doubt if doubt else await self._made(session, disk, base)
        self._doubts = {(disk.node, base): doubt for disk, doubt in doubts.items() if doubt}
        return not all(doubts.values())

    def explained(self, found: Survey, base: str | None, bases: Sequence[Record]) -> list[Record]:
        """With the reason why what was kept did not count."""
        doubts = [self._doubts.get((disk.node, base or "")) for disk in found.disks]
        return [_explained(record, doubt) if isinstance(record, str) else record for record, doubt in zip(bases, doubts, strict=True)]

    async def begin(self, session: QmpSession, found: Survey, point: str, base: str | None, bases: Sequence[Record]) -> None:
        """Before a record begins in memory: keep one in the image, where that is of use. Each disk's size has its witness already."""
        holder = _holder(session)
        if holder is None:
            return
        names, before = self._names, self._names.kept(base or "")
        there = records.kept_of(found.nodes, names)
        known = {bitmap.node: bitmap for bitmap in there if bitmap.name == before}
        disks, chains, whole = [], [], []
        for disk, record in zip(found.disks, bases, strict=True):
            if isinstance(record, str) and disk.node in known:
                # It has a gap, and must not be there when the gap is forgotten.
                await self._remove(session, [known[disk.node]])
            if room(found, disk):
                disks.append(disk)
                chains.append(_chain(found, disk))
                whole.append({names.kept(point), *_whole(known.get(disk.node), record)})
        doubts = await self._watch.hold(holder, chains, whole)
        for disk, doubt in zip(disks, doubts, strict=True):
            if not doubt:
                with suppress(QmpRefused):
                    # An image may have no room for one more: then there is nothing to trust when it is opened again.
                    await self._keep_size(session, disk, there)
                    kept = {"node": disk.node, "name": names.kept(point), "persistent": True, "granularity": records.GRANULARITY}
                    await session.execute("block-dirty-bitmap-add", kept)

    async def settle(self, session: QmpSession, nodes: Sequence[Mapping[str, Any]], newest: str | None) -> None:
        """Keep only those that began with this point, and the witnesses of sizes."""
        names = self._names
        there = records.kept_of(nodes, names)
        if newest:
            there = [bitmap for bitmap in there if bitmap.name != names.kept(newest) and not names.kept_size(bitmap.name)]
        await self._remove(session, there)

    async def close(self) -> None:
        """Idempotent."""
        await self._watch.close()

    async def _keep_size(self, session: QmpSession, disk: QemuDisk, there: Sequence[Bitmap]) -> None:
        """Copy the witness of a disk's size into the image, beside records that are as old as the disk's size."""
        name = self._names.kept_witness(disk.size)
        sizes = [bitmap for bitmap in there if bitmap.node == disk.node and self._names.kept_size(bitmap.name)]
        if any(bitmap.name == name and bitmap.dirty for bitmap in sizes):
            return
        await self._remove(session, sizes)
        await session.transaction(_copy(disk, self._names.witness(disk.size), name, persistent=True, disabled=True))

    def _unfit(self, found: Survey, disk: QemuDisk, base: str) -> str:
        """Why what is in its image is of no use; empty: it is."""
        here = {bitmap.name: bitmap for bitmap in records.kept_of(found.nodes, self._names) if bitmap.node == disk.node}
        kept = here.get(self._names.kept(base))
        if kept is None:
            return NOTHING if room(found, disk) else NO_ROOM
        if kept.inconsistent:
            return BROKEN
        if not kept.recording:
            return OFF
        return "" if self._names.kept_witness(disk.size) in here else RESIZED

    async def _made(self, session: QmpSession, disk: QemuDisk, base: str) -> str:
        """A record in memory and the witness of its size, at once; or why there is none."""
        names = self._names
        actions = [
            *_copy(disk, names.kept(base), names.bitmap(base), persistent=False, disabled=False),
            *_copy(disk, names.kept_witness(disk.size), names.witness(disk.size), persistent=False, disabled=True),
        ]
        try:
            await session.transaction(actions)
        except QmpRefused as error:
            return f"{RESTARTED}the record kept in its image cannot be used: {error.said}"
        return ""

    async def _remove(self, session: QmpSession, kept: Sequence[Bitmap]) -> None:
        try:
            await session.transaction([_removal(bitmap) for bitmap in kept])
        except QmpRefused:
            for bitmap in kept:
                with suppress(QmpRefused):
                    # An image that QEMU has made read-only, below a snapshot, keeps its own until it is writable again.
                    await session.transaction([_removal(bitmap)])


def _explained(lost: str, doubt: str | None) -> str:
    return f"{lost}; {doubt}" if doubt in (NOTHING, NO_ROOM) else doubt or lost


def _holder(session: QmpSession) -> Process | None:
    try:
        return process(session.peer)
    except OSError:
        return None


def room(found: Survey, disk: QemuDisk) -> bool:
    """Whether the disk's image can keep records of changes."""
    (node,) = (node for node in found.nodes if node["node-name"] == disk.node)
    return keeps_records(node)


def _chain(found: Survey, disk: QemuDisk) -> Chain | str:
    return chain(found.nodes, found.graph, disk.node)


def _whole(kept: Bitmap | None, record: Record) -> list[str]:
    """Its name, if it has all that the record in memory has."""
    if kept is None or isinstance(record, str) or not kept.recording or kept.inconsistent or kept.dirty < record.dirty:
        return []
    return [kept.name]


def _copy(disk: QemuDisk, source: str, name: str, *, persistent: bool, disabled: bool) -> list[Action]:
    new = {"node": disk.node, "name": name, "persistent": persistent, "disabled": disabled, "granularity": records.GRANULARITY}
    return [("block-dirty-bitmap-add", new), ("block-dirty-bitmap-merge", {"node": disk.node, "target": name, "bitmaps": [source]})]


def _removal(bitmap: Bitmap) -> Action:
    return "block-dirty-bitmap-remove", {"node": bitmap.node, "name": bitmap.name}
