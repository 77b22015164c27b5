"""Restoring and verifying points."""

import asyncio
from dataclasses import replace
from pathlib import Path

import msgspec

from understudy import engine
from understudy.errors import IntegrityError, TargetFailed, UnderstudyError
from understudy.local.recovery_key import must_hold_the_recovery_key
from understudy.local.views import points_of
from understudy.recovery.content import finder, read_point
from understudy.recovery.materialise import materialise
from understudy.recovery.place import Place
from understudy.recovery.progress import Listener, Progress
from understudy.recovery.report import Restored
from understudy.recovery.scrub import scrub_vault
from understudy.recovery.surroundings import surroundings
from understudy.recovery.verdict import Damage, Verified
from understudy.recovery.verify import verify_points
from understudy.store.protocol import ObjectStore
from understudy.vault import kinds
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.history import History
from understudy.vault.maps.honest import honest
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault


async def restored(vault: Vault, log: MachineLog, request: engine.Restore, progress: engine.OnProgress) -> engine.Restored:
    """Directories that are missing above the targets are made."""
    found = history_of(vault, log).find(bytes.fromhex(request.point))
    point = next(point for point in points_of(log.state) if point.id == found.point.id.hex())
    must_hold_the_recovery_key(vault)
    places = {disk: Place(Path(path), request.format) for disk, path in request.targets.items()}
    for place in places.values():
        await asyncio.to_thread(_make_directory, place.path.parent)

    async def bring(history: History) -> Restored:
        wanted = await read_point(history, point.id)
        return await materialise(wanted, places, finder(history), overwrite=request.overwrite, listener=listener_of(progress))

    history = history_of(vault, log)
    try:
        done = await bring(history)
    except IntegrityError:
        # What a source wrote as a shortcut must not keep anybody from what the packs themselves hold.
        proven, lies = await honest(history)
        if not lies:
            raise
        done = await bring(proven)
    return shown_restored(log.state.name, point, done)


def shown_restored(machine: str, point: engine.Point, done: Restored) -> engine.Restored:
    disks = tuple(
        engine.RestoredDisk(
            name=disk.name,
            path=str(disk.path),
            size=disk.size,
            trusted=disk.trusted,
            known_point=disk.known_point,
            reason=disk.reason,
            written_bytes=disk.written,
            zeroed_bytes=disk.zeroed,
            proven=disk.proven,
        )
        for disk in done.disks
    )
    return engine.Restored(machine=machine, point=point, seconds=done.seconds, disks=disks)


def log_damage(vault: Vault, log: MachineLog) -> tuple[str, ...]:
    """In words, what of the logs a reader had to do without."""
    return tuple(reason for _, reason in vault.damage + log.damage)


async def verified(vault: Vault, log: MachineLog, request: engine.Verify, progress: engine.OnProgress) -> engine.Verified:
    if request.level != "scrub":
        must_hold_the_recovery_key(vault)
    done = await _examined(vault, log, request, listener_of(progress))
    named = {damage.name for damage in done.damage}
    around = tuple(damage for damage in await surroundings(vault, log) if damage.name not in named)
    unrecorded = await _record(vault, log, done)
    return msgspec.structs.replace(_seen(log.state.name, replace(done, damage=done.damage + around)), unrecorded=unrecorded)


async def _examined(vault: Vault, log: MachineLog, request: engine.Verify, listener: Listener) -> Verified:
    """Who looks for longer than a collection's grace may look for what has gone lawfully: those points are examined as the log has them
    then, and those that were dropped meanwhile left out."""
    done = await verify_points(history_of(vault, log), request.points, request.level, listener)
    while done.damage and not log.damage and await _collected(log):
        kept = {entry.point.id.hex() for entry in log.state.points}
        doubted = [point.point for point in done.points if point.damage and point.point in kept]
        again = await verify_points(history_of(vault, log), doubted, request.level, listener)
        verdicts = {point.point: point for point in again.points}
        points = tuple(verdicts.get(point.point, point) for point in done.points if not point.damage or point.point in verdicts)
        objects, read, seconds = done.objects + again.objects, done.read + again.read, done.seconds + again.seconds
        done = replace(again, points=points, objects=objects, read=read, seconds=seconds)
    return done


async def _collected(log: MachineLog) -> bool:
    """Whether the log says that anything was moved or condemned since it was read."""
    before = log.state
    await log.refresh()
    now = log.state
    return (before.repack, before.condemned, before.trims) != (now.repack, now.condemned, now.trims)


async def _record(vault: Vault, log: MachineLog, done: Verified) -> str:
    """Let retention know what was proven, once for each point, as far as we may write; why it does not, empty if it does."""
    if done.level != "digest" or vault.identity.role != "operator" or vault.damage or log.damage:
        return ""
    proven = [bytes.fromhex(point.point) for point in done.points if not point.damage]
    try:
        for point in proven:
            await log.refresh()
            if point not in log.state.verified and point not in log.state.dropped:
                await log.append(kinds.Verified(point=point))
    except UnderstudyError as error:
        return error.message
    return ""


async def scrubbed(store: ObjectStore, progress: engine.OnProgress) -> engine.Verified:
    return _seen(None, await scrub_vault(store, listener_of(progress)))


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetFailed(f"the directory {path} cannot be made: {error.strerror}", hint="name another place, or make it") from None


def listener_of(progress: engine.OnProgress) -> Listener:
    def tell(now: Progress) -> None:
        progress(engine.Progress(phase=f"{now.step} {now.disk}".strip(), done=now.done, total=now.total or None))

    return tell


def _seen(machine: str | None, done: Verified) -> engine.Verified:
    return engine.Verified(
        level=done.level,
        machine=machine,
        points=tuple(engine.Proven(number=point.seq, id=point.point, damage=_damages(point.damage)) for point in done.points),
        objects=done.objects,
        read_bytes=done.read,
        seconds=done.seconds,
        damage=_damages(done.damage),
    )


def _damages(found: tuple[Damage, ...]) -> tuple[engine.Damage, ...]:
    return tuple(engine.Damage(name=damage.name, reason=damage.reason, points=damage.points) for damage in found)
