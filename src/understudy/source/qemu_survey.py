"""Asking a QEMU what it has, and refusing what cannot be frozen safely."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.errors import SourceRefused
from understudy.model import DiskInfo
from understudy.qemu.session import QmpRefused, QmpSession
from understudy.source.qemu_disks import QemuDisk, absent, candidates, chosen, without
from understudy.source.qemu_method import Capabilities, dotted

OLDEST = (6, 0, 0)
"""Exports with bitmaps by block-export-add, and jobs as used here."""

INACTIVE = frozenset({"inmigrate", "finish-migrate"})
"""States in which another process may own the images."""

STARVED = "io-error"
"""The state of a VM that QEMU stopped since a write failed."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a QEMU has at one moment: the disks to follow, and its raw lists of nodes and of what they lie on."""

    disks: tuple[QemuDisk, ...]
    infos: tuple[DiskInfo, ...]
    nodes: Sequence[Mapping[str, Any]]
    graph: Mapping[str, Any]
    """As `x-debug-query-block-graph` gives it."""
    capabilities: Capabilities
    starved: bool
    """Whether the VM stands still, for want of space or by an error of its storage."""
    excluded: tuple[str, ...] = ()
    """Names of disks that are left out by the operator's wish."""
    absent: tuple[str, ...] = ()
    """What should be left out, and is not there."""

    def held(self, node: str) -> int:
        """Bytes that a disk's image takes, with those that it is laid on."""
        (image,) = (entry["image"] for entry in self.nodes if entry["node-name"] == node)
        total = 0
        while image is not None:
            total += image.get("actual-size") or image["virtual-size"]
            image = image.get("backing-image")
        return total


async def survey(session: QmpSession, selection: Mapping[str, str], exclude: Collection[str] = ()) -> Survey:
    """Changes nothing. `SourceRefused` says why this VM cannot be served; `NotFound` if it has not what `selection` names."""
    if session.version < OLDEST:
        raise SourceRefused(f"QEMU {dotted(session.version)} is too old", hint=f"{dotted(OLDEST)} or later is needed")
    # One round trip for all: QEMU answers each of them when its main loop comes by.
    said, nodes, blocks, graph, iothreads = await asyncio.gather(
        session.execute("query-status"),
        session.execute("query-named-block-nodes", {"flat": True}),
        session.execute("query-block"),
        session.execute("x-debug-query-block-graph"),
        session.execute("query-iothreads"),
    )
    status = said["status"]
    await must_be_here(session, status)
    found = candidates(blocks, nodes, graph)
    missing = absent(found, exclude)
    found, left_out = without(found, exclude)
    disks = chosen(found, selection)
    threaded = [disk.name for disk in disks if iothreads and await _threaded(session, disk)]
    capabilities = Capabilities(session.version, len(disks), tuple(threaded))
    sectors = await asyncio.gather(*(_sector(session, disk) for disk in disks))
    infos = [DiskInfo(disk.name, disk.size, sector) for disk, sector in zip(disks, sectors, strict=True)]
    return Survey(tuple(disks), tuple(infos), nodes, graph, capabilities, status == STARVED, tuple(left_out), tuple(missing))


async def must_be_here(session: QmpSession, status: str) -> None:
    """`SourceRefused` if by its state another process may own the VM's images, or if nobody said yet that they are as they should be."""
    if status == "postmigrate":
        if (await session.execute("query-migrate")).get("status") != "completed":
            raise SourceRefused("this VM stands still since its migration failed", hint="set it going, or migrate it again")
        hint = "protect it again by the QMP socket of that one"
        raise SourceRefused("this VM has been migrated to another QEMU, and does not run in this one any more", hint=hint)
    if status == "restore-vm":
        raise SourceRefused("this VM stands still since a snapshot was loaded", hint="when its disks are as they should be, set it going")
    if status in INACTIVE:
        raise SourceRefused(f"the VM is being migrated ({status})", hint="replicate it where it runs, when the migration is over")


async def _sector(session: QmpSession, disk: QemuDisk) -> int:
    """The logical sector that the guest sees; devices without the property have 512 bytes."""
    return await get(session, disk.device, "logical_block_size") or 512


async def _threaded(session: QmpSession, disk: QemuDisk) -> bool:
    """Whether an iothread serves it: one may be given to the device, or to the controller whose bus it is on."""
    bus = await get(session, disk.device, "parent_bus") or ""
    for path in (*_upwards(disk.device), *_upwards(bus)):
        if await get(session, path, "iothread") or await get(session, path, "iothread-vq-mapping"):
            return True
    return False


def _upwards(path: str) -> list[str]:
    """A QOM path and the devices above it; not the containers that hold all devices."""
    parts = path.split("/")
    lowest = 4 if path.startswith("/") else 1
    return ["/".join(parts[:count]) for count in range(len(parts), lowest - 1, -1)]


async def get(session: QmpSession, path: str, name: str) -> Any:
    """A QOM property; None where there is none."""
    try:
        return await session.execute("qom-get", {"path": path, "property": name})
    except QmpRefused:
        return None
