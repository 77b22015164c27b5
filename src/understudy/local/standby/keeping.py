"""What an operator, and a failover, do with a standby: make it, let it rest, use its images, give it up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import sync_directory
from understudy.errors import Conflict, InvalidRequest, StateFailed, Unsupported
from understudy.finish import finish_in_thread
from understudy.local.recovery_key import must_hold_the_recovery_key
from understudy.local.retaining import hold_added, hold_removed, holds_of
from understudy.local.site import Site
from understudy.local.standby.file import StandbyFile, StandbyImage, must_read_standby, read_standby, remove_standby, write_standby
from understudy.local.standby.following import PROVE_EVERY, own_standby
from understudy.local.standby.held import standby_as
from understudy.recovery import standing as st
from understudy.recovery.place import Place
from understudy.recovery.recorded import record_as, unused
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

_DAY = 24 * 3600


async def standby_created(vault: Vault, log: MachineLog, site: Site, request: engine.CreateStandby) -> None:
    """On record, durably; nothing is written to an image yet. `Conflict` for a file that is there, unless it is to be adopted."""
    must_hold_the_recovery_key(vault)
    with own_standby(vault, log, site) as machine:
        before = await asyncio.to_thread(read_standby, machine)
        made = _made(log, request, before)
        await asyncio.to_thread(_admit, vault, log, made, before, request.adopt)
        await finish_in_thread(partial(write_standby, machine, made))


async def standby_paused(vault: Vault, log: MachineLog, site: Site, paused: bool) -> None:
    """A standby that rests holds its point, so that what has changed since can be told however long it rests."""
    with own_standby(vault, log, site) as machine:
        found = await asyncio.to_thread(must_read_standby, machine, log.state.name)
        await _resting(vault, log, site, msgspec.structs.replace(found, paused=paused))
        await finish_in_thread(partial(write_standby, machine, msgspec.structs.replace(found, paused=paused)))


async def detach(vault: Vault, log: MachineLog, site: Site, by: str) -> None:
    """Something runs above the images from now on (`by` says what, in a line): they do not follow until `attach`. Idempotent.

    `Conflict` if something else has them.
    """
    with own_standby(vault, log, site) as machine:
        found = await asyncio.to_thread(must_read_standby, machine, log.state.name)
        if found.detached not in ("", by):
            raise Conflict(f"the standby of {log.state.name!r} is in use: {found.detached}", hint="end that first")
        used = msgspec.structs.replace(found, detached=by)
        await finish_in_thread(partial(write_standby, machine, used))
        await _resting(vault, log, site, used)


async def attach(vault: Vault, log: MachineLog, site: Site) -> None:
    """Nothing runs above the images any more. Idempotent."""
    with own_standby(vault, log, site) as machine:
        found = await asyncio.to_thread(must_read_standby, machine, log.state.name)
        free = msgspec.structs.replace(found, detached="")
        await _resting(vault, log, site, free)
        await finish_in_thread(partial(write_standby, machine, free))


async def reclaimed(vault: Vault, log: MachineLog, site: Site, needed: Callable[[str], Awaitable[bool]]) -> None:
    """`attach` if whoever has the images does not need them any more. `needed` is asked while nobody can be lent them."""
    with own_standby(vault, log, site) as machine:
        found = await asyncio.to_thread(read_standby, machine)
        if found is None or not found.detached or await needed(found.detached):
            return
        free = msgspec.structs.replace(found, detached="")
        await _resting(vault, log, site, free)
        await finish_in_thread(partial(write_standby, machine, free))


async def adopt_images(vault: Vault, log: MachineLog, site: Site, images: Mapping[str, Place], point: str, *, directory: str = "") -> None:
    """Images (by disk name) that are known to hold exactly `point` (its id in hex) become the standby, without being read; they are proven
    within a day. Idempotent. `Conflict` for an image in use. `directory`: where images of disks that the machine gets later are made.
    """
    must_hold_the_recovery_key(vault)
    with own_standby(vault, log, site) as machine:
        before = await asyncio.to_thread(read_standby, machine)
        if before is not None and before.detached:
            raise Conflict(f"the standby of {log.state.name!r} is in use: {before.detached}", hint="end that first")
        entry = next((entry for entry in log.state.entries if entry.point.id.hex() == point), None)
        disks = {disk.name: disk for disk in entry.point.disks} if entry is not None else {}
        if not images or images.keys() - disks.keys():
            raise InvalidRequest(
                f"point {point} of {log.state.name!r} has no such disks: {', '.join(sorted(images.keys() - disks.keys()))}"
            )
        proven = time.time_ns() - (PROVE_EVERY - _DAY) * 1_000_000_000
        for name, place in images.items():
            subject = st.Subject(vault.id, log.machine_id, disks[name].id.hex())
            await record_as(place, disks[name], subject, point, proven)
        kept = {name: StandbyImage(path=str(place.path.resolve()), format=place.format) for name, place in images.items()}
        await finish_in_thread(partial(write_standby, machine, _adopted(before, kept, directory)))


async def standby_removed(vault: Vault, log: MachineLog, site: Site, *, keep_images: bool) -> None:
    """Killed in between it may be repeated. `Conflict`, and nothing is deleted, for images in use, or that something else wrote to."""
    with own_standby(vault, log, site) as machine:
        found = await asyncio.to_thread(must_read_standby, machine, log.state.name)
        if found.detached:
            raise Conflict(f"the standby of {log.state.name!r} is in use: {found.detached}", hint="end that first")
        if not keep_images:
            await finish_in_thread(partial(_delete_images, vault.id, log.machine_id, found))
        await _release(log, site)
        await finish_in_thread(partial(remove_standby, machine))


def _made(log: MachineLog, request: engine.CreateStandby, before: StandbyFile | None) -> StandbyFile:
    newest = log.state.newest
    disks = [disk.name for disk in newest.point.disks] if newest is not None else []
    strange = sorted(request.images.keys() - set(disks))
    if strange:
        raise InvalidRequest(f"{log.state.name!r} has no disk {strange[0]!r}", hint=f"it has {', '.join(disks) or 'no point yet'}")
    base = before or StandbyFile(images={}, since=time.time_ns())
    directory = str(Path(request.directory).resolve()) if request.directory else base.directory
    kind = request.format if request.directory or before is None else base.kind
    paths = {name: str(Path(path).resolve()) for name, path in request.images.items()}
    if request.directory:
        taken = set(paths) | ({name for name in base.images} if not request.adopt else set())
        paths |= {name: str(Path(directory) / f"{name}.{kind}") for name in disks if name not in taken}
    missing = [name for name in disks if name not in paths and name not in base.images]
    if missing:
        raise InvalidRequest(f"there is no place for disk {missing[0]!r}", hint="name a directory (--to), or each disk's place (--disk)")
    if not directory and not paths:
        raise InvalidRequest("nothing says where the images go", hint="name a directory (--to), or each disk's place (--disk)")
    images = base.images | {name: StandbyImage(path=path, format=request.format, adopting=request.adopt) for name, path in paths.items()}
    used = [image.path for image in images.values()]
    twice = next((path for path in used if used.count(path) > 1), None)
    if twice is not None:
        raise InvalidRequest(f"{twice} is named for two disks", hint="give every disk an image of its own")
    former = tuple(path for path in dict.fromkeys((*base.former, *(image.path for image in base.images.values()))) if path not in used)
    return msgspec.structs.replace(base, images=images, directory=directory, kind=kind, former=former)


def _admit(vault: Vault, log: MachineLog, made: StandbyFile, before: StandbyFile | None, adopt: bool) -> None:
    """What can be said at once is not left to the first step of following."""
    if before is not None and before.detached:
        raise Conflict(f"the standby of {log.state.name!r} is in use: {before.detached}", hint="end that first")
    known = {image.path for image in before.images.values()} if before is not None else set()
    for image in made.images.values():
        path = Path(image.path)
        if path.is_block_device():
            raise Unsupported(f"{path} is a block device: nothing tells what was written to one meanwhile", hint="keep a standby in files")
        if not path.exists() or (image.path in known and not adopt):
            continue
        standing = st.read(path)
        if standing is not None and (standing.subject.vault, standing.subject.machine) != (vault.id, log.machine_id):
            raise Conflict(f"{path} is an image of another machine", hint="name another place")
        if not adopt and path.stat().st_size:
            raise Conflict(f"{path} is there already", hint="name another place, or adopt it (--adopt): what differs is overwritten")
        unused(path)


async def _resting(vault: Vault, log: MachineLog, site: Site, now: StandbyFile) -> None:
    """At most one hold: on the point where the images stay."""
    point = standby_as(now, vault.id, log.machine_id).point
    if not (now.paused or now.detached) or not point:
        await _release(log, site)
        return
    reason = _held_for(site)
    known = any(entry.point.id.hex() == point for entry in log.state.points)
    if known and not any(hold.reason == reason and hold.point == point for hold in holds_of(log.state)):
        await hold_added(log, engine.AddHold(machine=log.machine_id, point=point, reason=reason))
    await _release(log, site, but=point)


async def _release(log: MachineLog, site: Site, *, but: str = "") -> None:
    for hold in holds_of(log.state):
        if hold.reason == _held_for(site) and hold.point != but:
            await hold_removed(log, engine.RemoveHold(machine=log.machine_id, hold=hold.id))


def _held_for(site: Site) -> str:
    """The reason that a standby's hold gives; by it the hold is found again."""
    return f"standby on {site.name}"


def _adopted(before: StandbyFile | None, images: dict[str, StandbyImage], directory: str) -> StandbyFile:
    if before is None:
        return StandbyFile(images=images, since=time.time_ns(), directory=directory, kind=next(iter(images.values())).format)
    used = {image.path for image in images.values()}
    gone = (image.path for image in before.images.values())
    former = tuple(path for path in dict.fromkeys((*before.former, *gone)) if path not in used)
    return msgspec.structs.replace(before, images=images, former=former, directory=directory or before.directory)


def _delete_images(vault: str, machine: str, found: StandbyFile) -> None:
    """First all are looked at, then all deleted. What is not there is deleted already."""
    doomed: list[Path] = []
    for name, image in found.images.items():
        path = Path(image.path)
        partial, standing = st.partial(path), st.read(path)
        for file in (path, partial):
            if not file.exists():
                continue
            whose = standing is not None and (standing.subject.vault, standing.subject.machine) == (vault, machine)
            now = st.Identity.of(file)
            if image.adopting or standing is None or not whose or standing.inode != now.inode or st.in_use(standing, now):
                raise Conflict(
                    f"the image of disk {name!r}, {file}, is not as the standby left it: it is not deleted",
                    hint="keep the images (--keep-images), and remove by hand what is not needed",
                )
            unused(file)
            doomed.append(file)
    try:
        for file in doomed:
            file.unlink(missing_ok=True)
        for image in found.images.values():
            if not Path(image.path).exists():
                st.sidecar(Path(image.path)).unlink(missing_ok=True)
        for parent in {file.parent for file in doomed}:
            sync_directory(parent)
    except OSError as error:
        raise StateFailed(f"an image cannot be removed: {error}", hint="repeat the command when the cause is gone") from None
