"""Bringing a standby's images to a point: one step of following."""

import asyncio
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from understudy import engine
from understudy.errors import Conflict, IntegrityError, NotFound, TargetFailed
from understudy.finish import finish_in_thread
from understudy.local.ownership import owned
from understudy.local.recovering import listener_of, shown_restored
from understudy.local.recovery_key import must_hold_the_recovery_key
from understudy.local.site import Site
from understudy.local.standby.file import StandbyFile, StandbyImage, directory_of, must_read_standby, write_standby
from understudy.local.standby.held import standby_as
from understudy.local.views import point_of
from understudy.recovery.content import finder, read_point
from understudy.recovery.image_lock import written
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.recovery.progress import Listener
from understudy.recovery.report import Restored
from understudy.recovery.vouch import vouch
from understudy.store.protocol import Cache
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.history import History
from understudy.vault.maps.honest import honest
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

PROVE_EVERY = 7 * 24 * 3600
"""Seconds after which the whole of the images is read and compared again. What disks turn by themselves no record shows."""


@contextmanager
def own_standby(vault: Vault, log: MachineLog, site: Site) -> Iterator[Path]:
    """Be the only process of this host that works on the standby. `Busy` names the owner. Gives the machine's directory."""
    machine = site.directory(vault.id, log.machine_id)
    with owned(directory_of(machine), f"the standby of {log.state.name}"):
        yield machine


async def followed(
    vault: Vault,
    log: MachineLog,
    site: Site,
    progress: engine.OnProgress,
    *,
    point: str = "",
    prove: bool = False,
    trusting: bool = False,
    cache: Cache | None = None,
) -> engine.Restored:
    """Bring the images to a point (its id in hex; empty: the newest), durably. `prove`: read all of them and compare, at the point where
    they are if they are paused; else only images that were never proven, are in doubt, or were proven long ago are read. `trusting`: the
    last are not read either. `cache`: what the vault is read through, by who proves nothing.

    `Conflict` for a standby that is paused or in use, for an image that a VM has, and for one that somebody else has written to.
    """
    must_hold_the_recovery_key(vault)
    await asyncio.to_thread(must_read_standby, site.directory(vault.id, log.machine_id), log.state.name)
    with own_standby(vault, log, site) as machine:
        found = await asyncio.to_thread(must_read_standby, machine, log.state.name)
        if found.detached:
            raise Conflict(f"the standby of {log.state.name!r} is in use: {found.detached}", hint="it follows again when that has ended")
        if found.paused:
            at = standby_as(found, vault.id, log.machine_id).point
            if not (prove and at) or point not in ("", at):
                raise Conflict(f"the standby of {log.state.name!r} is paused", hint=f"understudy standby resume {log.state.name}")
            point = at
        entry = _entry(log, point)
        found = await finish_in_thread(partial(_with_disks, machine, found, log.state.name, [disk.name for disk in entry.point.disks]))
        images = standby_as(found, vault.id, log.machine_id).images.values()
        trusting = trusting or not (prove or is_due((image.proven for image in images), time.time_ns()))
        done = await _brought(vault, log, found, entry.point.id.hex(), trusting, listener_of(progress), cache if trusting else None)
        if any(image.adopting for image in found.images.values()):
            adopted = {name: msgspec.structs.replace(image, adopting=False) for name, image in found.images.items()}
            await finish_in_thread(partial(write_standby, machine, msgspec.structs.replace(found, images=adopted)))
    return shown_restored(log.state.name, point_of(entry, log.state), done)


def _entry(log: MachineLog, point: str) -> PointEntry:
    if not point:
        if log.state.newest is None:
            raise NotFound(f"machine {log.state.name!r} has no point yet", hint="the standby begins with its first one")
        return log.state.newest
    for entry in log.state.points:
        if entry.point.id.hex() == point:
            return entry
    raise NotFound(f"machine {log.state.name!r} has no point {point}")


def _with_disks(machine: Path, found: StandbyFile, name: str, disks: Sequence[str]) -> StandbyFile:
    """A place for each of these disks, on record before it is used; images of disks that are no more stay where they are."""
    images = {disk: image for disk, image in found.images.items() if disk in disks}
    for disk in disks:
        if disk not in images:
            if not found.directory:
                raise Conflict(
                    f"the standby of {name!r} has no place for its new disk {disk!r}",
                    hint=f"say where it goes: understudy standby create {name} --disk {disk}=PATH",
                )
            images[disk] = StandbyImage(path=os.path.join(found.directory, f"{disk}.{found.kind}"), format=found.kind)
    gone = [image.path for disk, image in found.images.items() if disk not in images]
    paths = {image.path for image in images.values()}
    former = tuple(path for path in dict.fromkeys((*found.former, *gone)) if path not in paths)
    changed = msgspec.structs.replace(found, images=images, former=former)
    if changed != found:
        write_standby(machine, changed)
    return changed


async def _brought(
    vault: Vault, log: MachineLog, found: StandbyFile, point: str, trusting: bool, listener: Listener, cache: Cache | None
) -> Restored:
    places = {name: Place(Path(image.path), image.format, "--adopt") for name, image in found.images.items()}
    adopting = {name for name, image in found.images.items() if image.adopting}

    async def bring(history: History) -> Restored:
        find = finder(history)
        for name, place in places.items():
            await asyncio.to_thread(place.path.parent.mkdir, parents=True, exist_ok=True)
            if await asyncio.to_thread(written, place.path):
                # Reading all of it would tell no more, as long as somebody writes.
                words = f"a VM, or another program, has {place.path} open for writing"
                raise Conflict(words, hint=f"`fuser -v {place.path}` names it: end it first")
            if name not in adopting:
                await vouch(place, vault.id, log.machine_id, find, listener)
        wanted = await read_point(history, point)
        return await materialise(wanted, places, find, overwrite=bool(adopting), trusting=trusting, listener=listener)

    history = history_of(vault, log)
    try:
        # Each step reads again what the points before it are made of.
        return await bring(replace(history, cache=cache))
    except OSError as error:
        raise TargetFailed(f"a directory of the standby cannot be made: {error}", hint="make it, or create the standby elsewhere") from None
    except IntegrityError:
        # What a source wrote as a shortcut must not keep anybody from what the packs themselves hold, nor what was read wrongly once.
        proven, lies = await honest(history)
        if cache is not None:
            cache.forget()
        elif not lies:
            raise
        return await bring(proven)


def is_due(proven: Iterable[int | None], now: int) -> bool:
    """Whether an image was proven long ago, of those that ever were; also where the clock says that it will be."""
    return any(not 0 <= now - at < PROVE_EVERY * 1_000_000_000 for at in proven if at)
