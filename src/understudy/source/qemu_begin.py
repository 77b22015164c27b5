"""A record of changes that begins with the machine itself: made before its guest runs, it has everything since the point that lies on
its disks, and the first cycle of whoever follows it from then on reads only that."""

from collections.abc import Sequence
from pathlib import Path

from understudy.qemu.session import QmpSession
from understudy.source.qemu_bitmaps import bitmaps_of, record_of, settle
from understudy.source.qemu_names import Names
from understudy.source.qemu_survey import survey
from understudy.source.qemu_view import tear_down
from understudy.source.qemu_witness import dismissal, witness


async def begin_records(qmp: Path, machine: str, point: str, disks: Sequence[str]) -> None:
    """`machine`: its id; its guest must not have run yet. Repeatable: what an attempt before left is made anew."""
    names = Names(machine, qmp.parent)
    session = await QmpSession.connect(str(qmp))
    try:
        await tear_down(session, names)
        found = await survey(session, {disk: disk for disk in disks})
        await session.transaction(settle(bitmaps_of(found.nodes, names), None) + dismissal(found.nodes, names, None))
        nodes = await session.execute("query-named-block-nodes", {"flat": True})
        await witness(session, nodes, names, found.disks)
        await session.transaction([record_of(disk.node, names.bitmap(point)) for disk in found.disks])
    finally:
        await session.close()
