"""The mounts of this host: begun, begun again where something of them has gone, and ended."""

import asyncio
import contextlib
import os
import shlex
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from understudy import engine
from understudy.durable import remove, state_directory, sync_directory
from understudy.errors import Conflict, InvalidRequest, NotFound, StateFailed, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.finish import finish, finish_in_thread
from understudy.local.export_beginning import settled
from understudy.local.export_file import read_export
from understudy.local.outside import must_be_outside
from understudy.local.ownership import LOCK, owned
from understudy.mounts import overlaid, processes
from understudy.mounts.ability import must_be_able, must_be_root
from understudy.mounts.record import RECORD, Places, Record, name_of, names_in, places_of, read, write
from understudy.mounts.showing import disks_of, made, must_be_empty, shown, taken_down
from understudy.mounts.table import mounted_below

MENDS = 30.0
"""Seconds until disks can be read again whose export was begun again."""


class Exports(NamedTuple):
    """`start` returns when it serves; `stop` when nothing of it is left, and raises `NotFound` if there is none; `forget` when nothing of
    it is left here: its vault is not asked, and may hold the point still."""

    start: Callable[[engine.StartExport], Awaitable[engine.Export]]
    stop: Callable[[str], Awaitable[engine.Export]]
    forget: Callable[[str], Awaitable[None]]


class Mounts(NamedTuple):
    """`vault`: its URL, and its directory if it is one of this host's."""

    state: Path
    vault: str
    vault_directory: Path | None
    exports: Exports

    async def start(self, request: engine.StartMount) -> engine.Mount:
        """The files are there when it returns. Said again after a part of it has gone, that comes back; `Conflict` if all is there.

        What this host cannot mount is no failure: its volume says why.
        """
        await asyncio.to_thread(must_be_able)
        places = places_of(self.state, request.name)
        with owned(places.directory, f"the mount {request.name}"):
            try:
                record = await self._begun(places, request)
            except UnderstudyError:
                await asyncio.to_thread(_let_go, places)
                raise
            if record.whole and _is_shown(places, record):
                await self._mended(places, record, request)
                return record.mount
            await finish_in_thread(lambda: taken_down(places, record.mount, ours=False))
            try:
                return await self._shown(places, record, request)
            except BaseException:
                # What brought it to its end is told, not what may hinder its removal: that is met again, and told, by an unmount.
                await finish(self._abandoned(places, record))
                raise

    async def stop(self, said: str, *, forget: bool = False) -> engine.Unmounted:
        """By its name, or its directory. Nothing of it is left, and its point is not held for it any more. `Busy`, and nothing was done,
        while somebody uses it. `forget`: its vault is gone for good, and is not asked to hold the point no longer."""
        must_be_root()
        places = places_of(self.state, await asyncio.to_thread(name_of, self.state, said))
        with owned(places.directory, f"the mount {places.name}"):
            record = await asyncio.to_thread(read, places)
            if record is None:
                # Whoever began it was killed before there was one.
                await asyncio.to_thread(_let_go, places)
                raise NotFound(f"nothing is mounted here as {said!r}", hint="`understudy mounts` lists what is")
            return engine.Unmounted(mount=record.mount, left=await finish(self._removed(places, record, forget=forget)))

    async def _begun(self, places: Places, request: engine.StartMount) -> Record:
        """Its record, durable: that of before, if there is one."""
        # As the kernel names it.
        directory = os.fspath(await asyncio.to_thread(Path(request.directory or places.usual).resolve))
        there = await asyncio.to_thread(read, places)
        if there is None:
            return await asyncio.to_thread(self._new, places, request, Path(directory))
        mount = there.mount
        if (mount.point, mount.directory, there.only) != (request.point, directory, request.disks):
            raise Conflict(
                f"{mount.name} is a mount of point {mount.number} of {mount.machine} in {mount.directory} already, or of other disks of it",
                hint=f"give this one another name: --name; or end that one: understudy unmount {mount.name}",
            )
        if (await asyncio.to_thread(_seen, self.state, there)).state == "mounted":
            raise Conflict(
                f"{mount.name} is mounted already, in {directory}",
                hint=f"`understudy unmount {mount.name}` ends it; --name mounts the point once more",
            )
        return there

    def _new(self, places: Places, request: engine.StartMount, directory: Path) -> Record:
        must_be_outside(self.vault_directory, directory, "the directory", "it is not of the vault")
        there = must_be_empty(directory)
        mount = engine.Mount(
            name=request.name,
            vault=self.vault,
            machine=request.title,
            machine_id=request.machine,
            point=request.point,
            number=request.number,
            frozen_at=request.frozen_at,
            directory=str(directory),
            export=places.export,
            state="broken",
        )
        record = Record(mount=mount, only=request.disks, made=not there)
        write(places, record)
        return record

    async def _shown(self, places: Places, record: Record, request: engine.StartMount) -> engine.Mount:
        await finish_in_thread(lambda: made(Path(record.mount.directory)))
        export = await self._served(places, request)
        disks = disks_of(export, record.mount.directory, record.only)
        mount = msgspec.structs.replace(record.mount, disks=disks)
        volumes = await finish_in_thread(lambda: shown(places, export, mount))
        mount = msgspec.structs.replace(mount, volumes=volumes, state="mounted")
        await asyncio.to_thread(write, places, msgspec.structs.replace(record, mount=mount, whole=True))
        return mount

    async def _mended(self, places: Places, record: Record, request: engine.StartMount) -> None:
        """Only its export has gone. Whoever uses the files may go on."""
        await self._served(places, request)
        await asyncio.to_thread(_must_be_readable, record.mount)

    async def _served(self, places: Places, request: engine.StartMount) -> engine.Export:
        await settled(self.state, places.export)
        export = await asyncio.to_thread(_export_here, self.state, places.export)
        if export is not None and export.state == "serving" and (export.machine_id, export.point) == (request.machine, request.point):
            return export
        return await self.exports.start(engine.StartExport(name=places.export, machine=request.machine, point=request.point))

    async def _abandoned(self, places: Places, record: Record) -> None:
        try:
            await self._removed(places, record)
        except (UnderstudyError, OSError):
            return

    async def _removed(self, places: Places, record: Record, *, forget: bool = False) -> tuple[str, ...]:
        if record.mount.vault != self.vault and not forget:
            raise InvalidRequest(
                f"{places.name} is of another vault, {record.mount.vault}", hint=f"name that one: --vault {shlex.quote(record.mount.vault)}"
            )
        left = await asyncio.to_thread(taken_down, places, record.mount, ours=record.made)
        await settled(self.state, places.export)
        if await asyncio.to_thread(_export_here, self.state, places.export) is not None:
            if forget:
                await self.exports.forget(places.export)
            else:
                await self._released(places)
        await asyncio.to_thread(_let_go, places, record=True)
        return left

    async def _released(self, places: Places) -> None:
        try:
            await self.exports.stop(places.export)
        except (StoreUnavailable, StoreRefused, NotFound) as error:
            raise type(error)(
                f"no files of {places.name} are shown any more, but its point is held still: {error.message}",
                hint=f"say it again when the vault can be reached; if that is gone for good: understudy unmount {places.name} --forget",
            ) from None


def mounts_here(state: Path) -> tuple[engine.Mount, ...]:
    """By name, as they are now. Of one whose record cannot be read nothing but its name is known, and why."""
    found = (_known(state, name) for name in names_in(state))
    return tuple(mount for mount in found if mount is not None)


def _known(state: Path, name: str) -> engine.Mount | None:
    places = places_of(state, name)
    try:
        record = read(places)
        return _seen(state, record) if record is not None else None
    except UnderstudyError as error:
        why = f"{error.message}; {error.hint}"
        return engine.Mount(
            name=name,
            vault="",
            machine="",
            machine_id="",
            point="",
            number=0,
            frozen_at=0,
            directory="",
            export=places.export,
            state="broken",
            why=why,
        )


def _seen(state: Path, record: Record) -> engine.Mount:
    why = _amiss(places_of(state, record.mount.name), record) or _unserved(state, record.mount.export)
    return msgspec.structs.replace(record.mount, state="broken" if why else "mounted", why=why)


def _is_shown(places: Places, record: Record) -> bool:
    return not _amiss(places, record)


def _amiss(places: Places, record: Record) -> str:
    """What of it is not there, but for its export."""
    if not record.whole:
        return "it was not finished"
    if not processes.running(overlaid.command(places), places.log):
        return "its process has ended"
    wanted = [disk.raw for disk in record.mount.disks] + [volume.path for volume in record.mount.volumes if volume.path]
    there = {mounted.point for mounted in mounted_below(record.mount.directory)}
    return next((f"{path} is not mounted" for path in wanted if path not in there), "")


def _unserved(state: Path, name: str) -> str:
    export = _export_here(state, name)
    return "" if export is not None and export.state == "serving" else "its export has ended"


def _export_here(state: Path, name: str) -> engine.Export | None:
    try:
        return read_export(state, name)
    except NotFound:
        return None


def _must_be_readable(mount: engine.Mount) -> None:
    until = time.monotonic() + MENDS
    for disk in mount.disks:
        while True:
            try:
                with open(disk.raw, "rb", buffering=0) as file:
                    # Where no overlay of a file system that was only replayed has anything.
                    file.seek(max(disk.size - 512, 0))
                    file.read(512)
                    break
            except OSError as error:
                if time.monotonic() > until:
                    raise StateFailed(
                        f"disk {disk.name} cannot be read again: {error.strerror}",
                        hint=f"begin anew: understudy unmount {mount.name}, then mount",
                    ) from None
                time.sleep(0.1)


def _let_go(places: Places, *, record: bool = False) -> None:
    """Its directory in the state directory, unless there is something that is not of the mount; and its record, if that is to go."""
    with state_directory(places.directory):
        if record:
            remove(places.record)
        if not places.record.exists():
            for name in (f"{RECORD}.new", LOCK):
                remove(places.directory / name)
            with contextlib.suppress(OSError):
                places.directory.rmdir()
            sync_directory(places.directory.parent)
