"""Whether a disk was cut short and grew back since a record of its changes began.

QEMU cuts a record with its disk, and what grows back is not marked in it, though the disk's content there is gone. So beside the record
stands a witness: a dirty bitmap that is switched off, in which the disk's last piece is marked. A cut takes the mark away.
A cut of less than a record's granularity that stays within the last piece is not seen.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from understudy.qemu.blocklayer import end_jobs, until_ready
from understudy.qemu.session import QmpSession
from understudy.source.qemu_bitmaps import GRANULARITY, Action, Record, bitmaps_of
from understudy.source.qemu_disks import QemuDisk
from understudy.source.qemu_names import Names

SECTOR = 512
_MARK = "mark"


def witnessed(nodes: Sequence[Mapping[str, Any]], names: Names, disk: QemuDisk, record: Record) -> Record:
    """A record, or why it cannot be trusted after all."""
    if isinstance(record, str) or not disk.size:
        return record
    found = _marks(nodes, names).get((disk.node, names.witness(disk.size)))
    if found:
        return record
    if found is None:
        return f"nothing tells whether disk {disk.name} kept its size since the last point"
    return f"disk {disk.name} was shrunk and grown again"


async def witness(session: QmpSession, nodes: Sequence[Mapping[str, Any]], names: Names, disks: Sequence[QemuDisk]) -> bool:
    """See to it that each disk that has an end has one, of its size; whether one was missing.

    A disk's records go before it gets one: should this freeze fail, the next would trust them by what never saw their beginning.
    """
    known = _marks(nodes, names)
    blind = [(index, disk) for index, disk in enumerate(disks) if disk.size and not known.get((disk.node, names.witness(disk.size)))]
    if not blind:
        return False
    blinded = {disk.node for _, disk in blind}
    gone = [*known, *((bitmap.node, bitmap.name) for bitmap in bitmaps_of(nodes, names))]
    # A name is free only when the transaction that removes it is over.
    await session.transaction([_removal(node, name) for node, name in gone if node in blinded])
    for index, disk in blind:
        await _make(session, names, index, disk)
    return True


def dismissal(nodes: Sequence[Mapping[str, Any]], names: Names, newest: str | None) -> list[Action]:
    """Remove those on nodes that have no record named `newest`."""
    kept = {bitmap.node for bitmap in bitmaps_of(nodes, names) if bitmap.name == newest}
    return [_removal(node, name) for node, name in _marks(nodes, names) if node not in kept]


def _marks(nodes: Sequence[Mapping[str, Any]], names: Names) -> dict[tuple[str, str], int]:
    """Our witnesses by node and name, and how many bytes are marked in each."""
    return {
        (node["node-name"], bitmap["name"]): bitmap["count"]
        for node in nodes
        for bitmap in node.get("dirty-bitmaps", ())
        if names.owns_witness(bitmap.get("name", ""))
    }


def _removal(node: str, name: str) -> Action:
    return "block-dirty-bitmap-remove", {"node": node, "name": name}


async def _make(session: QmpSession, names: Names, index: int, disk: QemuDisk) -> None:
    """Nothing but a write marks a bitmap: the last sector of a node of the same size, which holds nothing, is written to by a job."""
    void, end, origin, job = names.void(index), names.end(index), names.origin(index), names.job(index)
    bitmap = {"persistent": False, "granularity": GRANULARITY}
    await session.execute("blockdev-add", {"driver": "null-co", "node-name": void, "size": disk.size})
    await session.execute("block-dirty-bitmap-add", {"node": void, "name": _MARK, **bitmap})
    await session.execute("blockdev-add", {"driver": "raw", "node-name": end, "file": void, "offset": disk.size - SECTOR, "size": SECTOR})
    await session.execute("blockdev-add", {"driver": "null-co", "node-name": origin, "size": SECTOR})
    await session.execute("blockdev-mirror", {"job-id": job, "device": origin, "target": end, "sync": "full"})
    await until_ready(session, job)
    mine = names.witness(disk.size)
    await session.transaction(
        [
            ("block-dirty-bitmap-add", {"node": disk.node, "name": mine, "disabled": True, **bitmap}),
            ("block-dirty-bitmap-merge", {"node": disk.node, "target": mine, "bitmaps": [{"node": void, "name": _MARK}]}),
        ]
    )
    await end_jobs(session, job)
    for node in (end, origin, void):
        await session.execute("blockdev-del", {"node-name": node})
