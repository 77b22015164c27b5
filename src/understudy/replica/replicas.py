"""Replicas of this host, each begun, found again, and ended by its run's name. They outlive whoever started them."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import remove, state_directory, sync_directory
from understudy.errors import Conflict, NotFound
from understudy.hypervisor.protocol import Hypervisor, Patience, Status, Step
from understudy.local.ownership import owned
from understudy.replica.exports import Exports
from understudy.replica.images import host_of
from understudy.replica.record import RECORD, Record, directory_of, overlay_of, read, runs_in, write
from understudy.replica.values import StartReplica, State

Track = Callable[[Path, str, str, Sequence[str]], Awaitable[None]]
"""Begin a record of changes on each disk: by a machine's QMP socket, its id, its point, and the disks' names."""


class Replicas:
    """`root`: a directory of this site's own, the same after a restart, with room for what guests write."""

    def __init__(self, root: Path, hypervisor: Hypervisor, exports: Exports, track: Track) -> None:
        self._root = root
        self._hypervisor = hypervisor
        self._exports = exports
        self._track = track

    async def start(self, order: StartReplica, progress: engine.OnProgress) -> State:
        """Its guest runs when this returns, unless it had run before and stands still or has shut down since: end it first then.

        Idempotent, and goes on with what was begun. `Conflict` if this run was begun from something else, or kept.
        """
        directory = directory_of(self._root, order.run)
        with owned(directory, f"the replica {order.run}"):
            record = await asyncio.to_thread(read, directory)
            if record is None:
                record = Record(order=order)
                await asyncio.to_thread(write, directory, record)
            if record.order != order or record.kept:
                words = "was kept, and is not started any more" if record.kept else "was begun from something else"
                raise Conflict(f"the replica {order.run!r} {words}", hint="start it under another name, or remove it")
            await self._begin(directory, record, progress)
            return await self._state(directory, record)

    async def find(self) -> Mapping[str, tuple[StartReplica, State]]:
        """Every replica that this host knows of, by its run."""
        found: dict[str, tuple[StartReplica, State]] = {}
        for run in await asyncio.to_thread(runs_in, self._root):
            record = await asyncio.to_thread(read, directory_of(self._root, run))
            if record is not None:
                found[run] = (record.order, await self._state(directory_of(self._root, run), record))
        return found

    async def state(self, run: str) -> State:
        """`NotFound` if there is no such replica. Changes nothing."""
        directory, record = await self._known(run)
        return await self._state(directory, record)

    def images(self, run: str) -> Mapping[str, Path]:
        """By the disk's name its overlay, a qcow2 image: the whole disk once it is drained."""
        directory = directory_of(self._root, run)
        record = read(directory)
        names = [disk.name for disk in record.order.definition.disks] if record is not None else []
        return {name: overlay_of(directory, name) for name in names}

    async def end(self, run: str, patience: Patience | None) -> Sequence[Step]:
        """Its guest has no process any more; None: it was not asked. Overlays stay, and the export does. Idempotent."""
        if patience is None:
            await self._hypervisor.destroy(run)
            return ()
        return await self._hypervisor.shut_down(run, patience)

    async def remove(self, run: str) -> None:
        """Nothing of it is left. Idempotent."""
        directory = directory_of(self._root, run)
        with owned(directory, f"the replica {run}"):
            await self._hypervisor.destroy(run)
            await self._hypervisor.forget(run)
            await self._exports.stopped(run)
            await asyncio.to_thread(_forget, directory)

    async def _begin(self, directory: Path, record: Record, progress: engine.OnProgress) -> None:
        run = record.order.run
        export = None
        if record.exported:
            progress(engine.Progress(phase="export"))
            export = await self._exports.served(record)
        if (await self._hypervisor.state(run)).status in _STANDS:
            return
        progress(engine.Progress(phase="start"))
        host = await asyncio.to_thread(host_of, directory, record, export)
        await self._hypervisor.start(run, record.order.definition, host, partial(self._before, directory))

    async def _before(self, directory: Path, qmp: Path) -> None:
        """While the guest stands still at its start."""
        record = await asyncio.to_thread(read, directory)
        assert record is not None
        if record.begun:
            return
        order = record.order
        if order.track and order.definition.disks:
            await self._track(qmp, order.machine, order.point, [disk.name for disk in order.definition.disks])
        await asyncio.to_thread(write, directory, msgspec.structs.replace(record, begun=True))

    async def _known(self, run: str) -> tuple[Path, Record]:
        directory = directory_of(self._root, run)
        record = await asyncio.to_thread(read, directory)
        if record is None:
            raise NotFound(f"this host has no replica {run!r}")
        return directory, record

    async def _state(self, directory: Path, record: Record) -> State:
        vm = await self._hypervisor.state(record.order.run)
        export = await self._exports.seen(record.order.run)
        return State(vm, record.below, export is not None and export.state == "serving", record.kept)


_STANDS = frozenset({Status.RUNNING, Status.PAUSED, Status.STORAGE_ERROR, Status.SHUT_DOWN, Status.PANICKED})
"""It was let go, and has a process still. What it was started from may be less by now than it was."""


def _forget(directory: Path) -> None:
    """The record last: as long as it is there, whoever removes the replica again finds the rest."""
    with state_directory(directory):
        for entry in directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
        remove(directory / RECORD)
        shutil.rmtree(directory)
        sync_directory(directory.parent)
