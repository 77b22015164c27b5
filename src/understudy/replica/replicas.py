"""Replicas of this host, each begun, found again, and ended by its run's name. They outlive whoever started them."""

import asyncio
import contextlib
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import remove, state_directory, sync_directory
from understudy.errors import Busy, Conflict, NotFound, StateFailed, UnderstudyError
from understudy.hypervisor.protocol import Hypervisor, Patience, Status, Step
from understudy.local.ownership import owned
from understudy.replica.exports import Exports
from understudy.replica.images import host_of
from understudy.replica.record import OVERLAYS, RECORD, Record, directory_of, overlay_of, read, runs_in, write
from understudy.replica.values import Found, Mended, StartReplica, State

Track = Callable[[Path, str, str, Sequence[str]], Awaitable[None]]
"""Begin a record of changes on each disk: by a machine's QMP socket, its id, its point, and the disks' names."""


class Replicas:
    """`root`: a directory of this site's own, the same after a restart, with room for what guests write."""

    def __init__(self, root: Path, hypervisor: Hypervisor, exports: Exports, track: Track) -> None:
        self._root = root
        self._hypervisor = hypervisor
        self._exports = exports
        self._track = track
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By run: this process's own tasks wait for each other."""

    async def start(self, order: StartReplica, progress: engine.OnProgress) -> State:
        """Its guest runs when this returns, unless it had run before and stands still or has shut down since: end it first then.

        Idempotent, and goes on with what was begun. `Conflict` if its guest ran from something else, or it was kept.
        """
        directory = directory_of(self._root, order.run)
        async with self._alone(directory):
            record = await asyncio.to_thread(read, directory)
            if record is not None and record.order != order and not record.begun:
                # Its guest never ran, so nothing is lost, and what was wrong with the order may have been put right.
                await self._clear(directory)
                record = None
            if record is None:
                record = Record(order=order)
                await asyncio.to_thread(write, directory, record)
            if record.order != order or record.kept:
                words = "was kept, and is not started any more" if record.kept else "was begun from something else"
                raise Conflict(f"the replica {order.run!r} {words}", hint="start it under another name, or remove it")
            await self._begin(directory, record, progress)
            return await self._state(await asyncio.to_thread(_must_be, directory))

    async def find(self) -> Found:
        """Every replica that this host knows of, by its run. What is wrong with one keeps nobody from the others."""
        known: dict[str, tuple[StartReplica, State]] = {}
        unread: dict[str, UnderstudyError] = {}
        for run in await asyncio.to_thread(runs_in, self._root):
            try:
                record = await asyncio.to_thread(read, directory_of(self._root, run))
                if record is not None:
                    known[run] = (record.order, await self._state(record))
            except UnderstudyError as error:
                unread[run] = error
        return Found(known, unread)

    async def state(self, run: str) -> State:
        """`NotFound` if there is no such replica. Changes nothing."""
        _, record = await self._known(run)
        return await self._state(record)

    def images(self, run: str) -> Mapping[str, Path]:
        """By the disk's name its overlay, a qcow2 image: the whole disk once it is drained."""
        directory = directory_of(self._root, run)
        record = read(directory)
        names = [disk.name for disk in record.order.definition.disks] if record is not None else []
        return {name: overlay_of(directory, name) for name in names}

    def sockets(self, run: str) -> tuple[Path, Path]:
        """Of one that runs: the QMP socket for whoever replicates it, and its guest agent's."""
        return self._hypervisor.sockets(run)

    async def end(self, run: str, patience: Patience | None) -> Sequence[Step]:
        """Its guest has no process any more; None: it was not asked. Overlays stay, and the export does. Idempotent."""
        async with self._turns[run]:
            if patience is None:
                await self._hypervisor.destroy(run)
                return ()
            return await self._hypervisor.shut_down(run, patience)

    async def resume(self, run: str) -> None:
        """A guest that stands still since its disk was full, or failed, tries again. Whether it may run here is the caller's to know."""
        async with self._turns[run]:
            if (await self._hypervisor.state(run)).status is Status.STORAGE_ERROR:
                await self._hypervisor.resume(run)

    async def drain(self, run: str, progress: engine.OnProgress) -> None:
        """Every overlay has what lay below it, and the export has ended. The guest runs on.

        Idempotent, and goes on with what was begun. Not kept from ending the machine meanwhile, which ends this with an error.
        """
        directory, record = await self._known(run)
        for disk in record.below:
            await self._hypervisor.drain(run, disk, partial(_told, progress, disk))
            async with self._alone(directory):
                now = await asyncio.to_thread(_must_be, directory)
                await asyncio.to_thread(write, directory, msgspec.structs.replace(now, whole=(*now.whole, disk)))
        await self._exports.stopped(run)

    async def needs_below(self, run: str) -> bool:
        """Whether it needs the local images that it was given, or may when it is started again."""
        directory = directory_of(self._root, run)
        record = await asyncio.to_thread(read, directory)
        if record is None or not set(record.below) & record.order.below.keys():
            return False
        if not record.kept or (await self._hypervisor.state(run)).alive:
            return True
        # What it wrote lies on an export then.
        return await self._exports.seen(run) is None

    async def mend(self) -> Sequence[Mended]:
        """Begin exports again whose processes died under machines that run, and let those go on that stood still for it, or had no room.
        To be called every few seconds: a guest waits as long as `NbdImage.patience` says before it stands still."""
        runs = await asyncio.to_thread(runs_in, self._root)
        mended = await asyncio.gather(*(self._mended(run) for run in runs))
        return [found for found in mended if found is not None]

    async def keep(self, run: str) -> Path:
        """It has no process and no export any more, and is not started again. Returns where its overlays are; the point that they lie on
        stays held for them. `remove` ends that. Idempotent."""
        directory, _ = await self._known(run)
        async with self._alone(directory):
            record = await asyncio.to_thread(_must_be, directory)
            await asyncio.to_thread(write, directory, msgspec.structs.replace(record, kept=True))
            await self._hypervisor.destroy(run)
            await _forget_seed(record)
            if not record.below:
                await self._exports.stopped(run)
            else:
                await self._exports.settle(run)
                if await self._exports.seen(run) is None:
                    # It lay on local images, which will not stay as they are.
                    await self._exports.begun(record.order)
                await self._exports.end(run)
            # Last: by what is forgotten it is known that all of it was done.
            await self._hypervisor.forget(run)
        return directory / OVERLAYS

    async def remove(self, run: str) -> None:
        """Nothing of it is left. Idempotent."""
        directory = directory_of(self._root, run)
        async with self._alone(directory):
            # Of one whose record cannot be read nothing more is known.
            with contextlib.suppress(StateFailed):
                await _forget_seed(await asyncio.to_thread(read, directory))
            await self._clear(directory)

    @contextlib.asynccontextmanager
    async def _alone(self, directory: Path) -> AsyncIterator[None]:
        """Nobody else is at work on this replica; `Busy` if another process is. A directory without a record, which is written first and
        removed last, is nobody's."""
        async with self._turns[directory.name]:
            with owned(directory, f"the replica {directory.name!r}"):
                try:
                    yield
                finally:
                    with state_directory(directory):
                        if not (directory / RECORD).exists():
                            shutil.rmtree(directory)
                            sync_directory(directory.parent)

    async def _mended(self, run: str) -> Mended | None:
        directory = directory_of(self._root, run)
        if self._turns[run].locked():
            return None
        try:
            async with self._alone(directory):
                return await self._mend(run, await asyncio.to_thread(read, directory))
        except Busy:
            # Somebody is at work on it.
            return None
        except UnderstudyError as error:
            return Mended(run, "", error)

    async def _mend(self, run: str, record: Record | None) -> Mended | None:
        vm = await self._hypervisor.state(run)
        # What needs nothing below it may be followed, and stand still since its site was cut off.
        if record is None or record.kept or not record.below or not vm.alive:
            return None
        done = []
        if record.exported:
            export = await self._exports.seen(run)
            if export is None or export.state != "serving":
                await self._exports.served(record)
                done.append("its export was begun again")
        if vm.status is Status.STORAGE_ERROR:
            await self._hypervisor.resume(run)
            done.append("it was set going again")
        return Mended(run, ", ".join(done)) if done else None

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
        record = await asyncio.to_thread(_must_be, directory)
        if record.begun:
            return
        order = record.order
        if order.track and order.definition.disks:
            await self._track(qmp, order.machine, order.point, [disk.name for disk in order.definition.disks])
        await asyncio.to_thread(write, directory, msgspec.structs.replace(record, begun=True))

    async def _clear(self, directory: Path) -> None:
        run = directory.name
        await self._hypervisor.destroy(run)
        await self._hypervisor.forget(run)
        await self._exports.stopped(run)
        with state_directory(directory):
            if (overlays := directory / OVERLAYS).exists():
                await asyncio.to_thread(shutil.rmtree, overlays)
            await asyncio.to_thread(remove, directory / RECORD)

    async def _known(self, run: str) -> tuple[Path, Record]:
        directory = directory_of(self._root, run)
        record = await asyncio.to_thread(read, directory)
        if record is None:
            raise NotFound(f"this host has no replica {run!r}")
        return directory, record

    async def _state(self, record: Record) -> State:
        vm = await self._hypervisor.state(record.order.run)
        export = await self._exports.seen(record.order.run)
        return State(vm, record.below, export is not None and export.state == "serving", record.kept, record.begun)


_STANDS = frozenset({Status.RUNNING, Status.PAUSED, Status.STORAGE_ERROR, Status.SHUT_DOWN, Status.PANICKED})
"""It was let go, and has a process still. What it was started from may be less by now than it was."""


def _told(progress: engine.OnProgress, disk: str, done: int, total: int) -> None:
    progress(engine.Progress(phase=f"drain {disk}", done=done, total=total))


def _must_be(directory: Path) -> Record:
    record = read(directory)
    if record is None:
        raise NotFound(f"the replica {directory.name!r} has just been removed")
    return record


async def _forget_seed(record: Record | None) -> None:
    """It was made for this run, which is not started any more."""
    if record is not None and record.order.seed:
        with state_directory(seed := Path(record.order.seed)):
            await asyncio.to_thread(remove, seed)
