"""A former primary becomes the stand-in of its successor: its images go back to where that one went on from, and follow."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from understudy.engine import OnProgress
from understudy.errors import Conflict, NotFound
from understudy.local.site import Site
from understudy.local.standby.orphans import orphan_at, rolled_back
from understudy.recovery.orphan import RECORD
from understudy.recovery.place import Place
from understudy.vault import names
from understudy.vault.log.authority import FailoverEntry
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import get_side_object
from understudy.vault.vault import Vault

ORPHANS = 6
"""So often what images hold is put aside for one rollback."""
_BY_HAND = "make one by hand: understudy standby create {name} --to DIR, with --adopt for images that are still there"


async def reversed_images(
    vault: Vault, log: MachineLog, site: Site, entry: FailoverEntry, images: Mapping[str, Place], progress: OnProgress
) -> None:
    """They are the machine's standby at the point that its failover went on from; what they held beyond it is put aside first.

    Idempotent. `Conflict` while a VM has them.
    """
    for number in range(1, ORPHANS):
        name = f"epoch-{entry.epoch}" + (f"-{number}" if number > 1 else "")
        try:
            await rolled_back(vault, log, site, images, entry.point.hex(), progress, name=name)
        except Conflict:
            # It was ended in the midst of that, and it cannot be told whether anybody has used the images since: what they hold is put
            # aside anew.
            if not await asyncio.to_thread((orphan_at(vault, log, site, name) / RECORD).exists):
                raise
        else:
            return
    raise Conflict(
        f"the images of {log.state.name!r} were used again and again while they were brought back", hint="see what uses them, by hand"
    )


async def images_at_home(vault: Vault, log: MachineLog, entry: FailoverEntry) -> dict[str, Place]:
    """Where the disks lay at the former primary, as its last point tells. `NotFound` if it does not, or they are gone."""
    hint = _BY_HAND.format(name=log.state.name)
    point = next((known.point for known in log.state.entries if known.point.id == entry.head), None)
    if point is None or point.definition is None:
        raise NotFound("its last point here does not tell where its disks are", hint=hint)
    data = await get_side_object(vault.store, vault.access, names.machine(log.machine_id), "definition", point.definition)
    said: dict[str, Any] = msgspec.json.decode(data)
    found: dict[str, Place] = {}
    for disk in said.get("disks", ()):
        name, path, form = str(disk.get("name", "")), Path(str(disk.get("filename", ""))), str(disk.get("format", ""))
        if name not in {known.name for known in point.disks}:
            continue
        if not path.is_absolute() or not await asyncio.to_thread(path.exists):
            raise NotFound(f"the image of disk {name} is not at {path} any more", hint=hint)
        if form not in ("raw", "qcow2"):
            raise Conflict(f"the image of disk {name} is in the format {form!r}", hint=hint)
        found[name] = Place(path, "raw" if form == "raw" else "qcow2")
    if found.keys() != {disk.name for disk in point.disks}:
        raise NotFound("its last point here does not tell where all its disks are", hint=hint)
    return found
