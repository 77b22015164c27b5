"""Rollbacks of images to a point, and what was put aside by them: a directory each in the machine's directory on this host."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from understudy import engine
from understudy.durable import state_directory
from understudy.errors import Conflict, IntegrityError, NotFound
from understudy.local.recovering import listener_of
from understudy.local.recovery_key import must_hold_the_recovery_key
from understudy.local.site import Site
from understudy.local.standby.file import read_standby
from understudy.local.standby.following import own_standby
from understudy.local.standby.keeping import adopt_images
from understudy.model import Extents
from understudy.recovery import standing as st
from understudy.recovery.content import read_point
from understudy.recovery.orphan import RECORD, Orphan, bytes_of, drop_orphan, read_orphan
from understudy.recovery.place import Place
from understudy.recovery.rollback import RolledBack, roll_back
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.history import History
from understudy.vault.maps.honest import honest
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

DIRECTORY = "orphans"


def orphan_at(vault: Vault, log: MachineLog, site: Site, name: str) -> Path:
    return site.directory(vault.id, log.machine_id) / DIRECTORY / engine.checked_name("orphan", name)


async def rolled_back(
    vault: Vault,
    log: MachineLog,
    site: Site,
    images: Mapping[str, Place],
    point: str,
    progress: engine.OnProgress,
    *,
    name: str,
    changed: Mapping[str, Extents] | None = None,
) -> RolledBack:
    """Bring these images (by disk name), which ran on past `point` (its id in hex), back to it; then they are the machine's standby.

    What they hold beyond is the orphan `name` first: said again with the same name it goes on where it was ended. `changed`: blocks by disk
    outside of which an image is as of the point; a disk that is not named is scanned. `Conflict` for images in use.
    """
    must_hold_the_recovery_key(vault)
    directory = orphan_at(vault, log, site, name)
    with own_standby(vault, log, site) as machine:
        standby = await asyncio.to_thread(read_standby, machine)
        if standby is not None and standby.detached:
            raise Conflict(f"the standby of {log.state.name!r} is in use: {standby.detached}", hint="end that first")

        async def bring(history: History) -> RolledBack:
            wanted = await read_point(history, point)
            return await roll_back(wanted, images, directory, changed=changed, listener=listener_of(progress))

        history = history_of(vault, log)
        try:
            done = await bring(history)
        except IntegrityError:
            # What a source wrote as a shortcut must not keep anybody from what the packs themselves hold.
            proven, lies = await honest(history)
            if not lies:
                raise
            done = await bring(proven)
    await adopt_images(vault, log, site, images, point)
    return done


def orphans_of(vault: Vault, log: MachineLog, site: Site) -> tuple[engine.Orphan, ...]:
    """Oldest first. Blocks the caller."""
    machine = site.directory(vault.id, log.machine_id)
    with state_directory(machine):
        names = [path.parent.name for path in (machine / DIRECTORY).glob(f"*/{RECORD}")]
    found = [_shown(log, machine / DIRECTORY / name) for name in names]
    return tuple(sorted((orphan for orphan in found if orphan is not None), key=lambda orphan: (orphan.made_at, orphan.name)))


async def orphan_dropped(vault: Vault, log: MachineLog, site: Site, name: str) -> engine.Orphan:
    """What was put aside is gone for good. `Busy` while an export shows it; `Conflict` while its images are not all brought back."""
    directory = orphan_at(vault, log, site, name)
    with own_standby(vault, log, site):
        shown = await asyncio.to_thread(_shown, log, directory)
        record = await asyncio.to_thread(read_orphan, directory)
        if shown is None or record is None:
            raise NotFound(f"{log.state.name!r} has no orphan {name!r} here", hint=f"understudy orphan list {log.state.name}")
        if record.state == "saved" and not await asyncio.to_thread(_whole, record):
            raise Conflict(
                f"the images that {name!r} was saved from are half brought back", hint="let the rollback come to its end first: repeat it"
            )
        await asyncio.to_thread(drop_orphan, directory, record)
    return shown


def _whole(record: Orphan) -> bool:
    """Whether what was saved is of images that hold a point by now: another rollback came to its end in this one's place."""
    there = [st.read(Path(disk.path)) for disk in record.disks.values()]
    return all(standing is not None and standing.holds and not standing.towards for standing in there)


def _shown(log: MachineLog, directory: Path) -> engine.Orphan | None:
    record = read_orphan(directory)
    if record is None:
        return None
    numbers = {entry.point.id.hex(): entry.seq for entry in log.state.entries}
    return engine.Orphan(
        name=directory.name,
        machine=log.state.name,
        machine_id=log.machine_id,
        point=record.point,
        number=numbers.get(record.point, 0),
        made_at=record.made,
        state=record.state,
        directory=str(directory),
        stored_bytes=bytes_of(directory, record),
        saved_bytes=record.saved,
        disks=tuple(
            engine.OrphanDisk(name=name, id=disk.id, size=disk.size, path=disk.path) for name, disk in sorted(record.disks.items())
        ),
    )
