"""The composition root of what a command does by itself: with `serving` and `exporter` the only place that names concrete kinds of stores
and sources, and joins the parts.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from understudy import engine
from understudy.engine.capacity import Bench, Capacity
from understudy.engine.profiling import Profile, Profiled
from understudy.local.engine import LocalEngine
from understudy.local.export_file import exports_here, read_export
from understudy.local.export_serving import Order
from understudy.local.exporting import export_forgotten, export_started
from understudy.local.immutability import uncovered
from understudy.local.measuring.host import measured
from understudy.local.measuring.storing import PLACE
from understudy.local.parts import Parts
from understudy.mounts.ability import must_be_able as must_be_able_to_mount
from understudy.mounts.mounts import Exports, Mounts, mounts_here
from understudy.qemu.agent_freeze import AgentFreeze
from understudy.recovery.wrapper import wrap
from understudy.source.block import BlockSource
from understudy.source.protocol import DiskSource
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import Wanted
from understudy.source.qemu_profile import profiled
from understudy.source.quiesce import Means, Quiesce
from understudy.source.quiesced import QuiescedSource, QuiescedWhileRead, at_the_instant
from understudy.store.metered import Tally
from understudy.store.missing import where_to_look
from understudy.store.opening import cached, must_be_openable, open_locks, open_store
from understudy.store.paced import PacedStore
from understudy.store.protocol import ObjectStore, Pace
from understudy.store.url import directory_here as vault_directory
from understudy.vault import names

__all__ = ["must_be_able_to_mount", "must_be_openable", "open_engine", "open_seconds", "open_source", "vault_directory", "wrap"]


@asynccontextmanager
async def open_engine(connection: engine.Connection) -> AsyncIterator[engine.Engine]:
    """The engine inside this process."""
    local = _local(connection)
    try:
        yield local
    finally:
        await local.close()


@asynccontextmanager
async def open_seconds(connection: engine.Connection) -> AsyncIterator[engine.Seconds]:
    """The same, for what is done with copies of the vault."""
    local = _local(connection)
    try:
        yield local
    finally:
        await local.close()


async def start_export(connection: engine.Connection, request: engine.StartExport) -> engine.Export:
    """A process of its own serves a point over NBD when this returns, and goes on after this one."""
    program = (sys.executable, "-c", "from understudy.exporter import main; main()")
    return await export_started(program, Order(connection, request))


async def stop_export(connection: engine.Connection, name: str, *, discard: bool) -> engine.Export:
    """Its process has ended, and nothing of it is left. `Conflict` if it has an overlay that is not to be discarded."""
    local = _local(connection)
    try:
        return await local.stop_export(name, discard=discard)
    finally:
        await local.close()


async def forget_export(state_dir: str, name: str) -> engine.Export:
    """The same, without a word to its vault. `Conflict` while anything is left that was written to it."""
    export = read_export(Path(state_dir), name)
    await export_forgotten(Path(state_dir), name)
    return export


def exports(state_dir: str) -> tuple[engine.Export, ...]:
    """What this host exports, by name."""
    return exports_here(Path(state_dir))


async def uncover(connection: engine.Connection, request: engine.Uncover) -> engine.Uncovered:
    """What somebody deleted or overwrote is there again. Takes no key."""
    return await uncovered(parts(Path(connection.state_dir)), connection.vault, request)


async def start_mount(connection: engine.Connection, request: engine.StartMount) -> engine.Mount:
    """The files of a point are below its directory when this returns, and stay there after this process."""
    return await _mounts(connection).start(request)


async def stop_mount(connection: engine.Connection, said: str, *, forget: bool) -> engine.Unmounted:
    """By its name or directory: nothing of it is left. `forget`: its vault is not asked for anything."""
    return await _mounts(connection).stop(said, forget=forget)


def mounts(state_dir: str) -> tuple[engine.Mount, ...]:
    """What this host shows the files of, by name."""
    return mounts_here(Path(state_dir))


async def profile_vm(source: engine.QemuSource, request: Profile, progress: engine.OnProgress, stop: asyncio.Event) -> Profiled:
    """A watch of a VM that nobody protects, until its end or `stop`."""
    return await profiled(source, request, progress, guarded=True, stop=stop)


async def bench(request: Bench, progress: engine.OnProgress) -> Capacity:
    """What this host, a disk and a vault's store can do; the vault itself is not opened."""
    if request.vault is None:
        return await measured(request, None, progress)
    store = open_store(request.vault, Path(request.state_dir))
    try:
        return await measured(request, store, progress)
    finally:
        await store.close()
        directory = vault_directory(request.vault)
        if directory is not None:
            with contextlib.suppress(OSError):
                # Others' are in it, or there is none.
                (directory / PLACE).rmdir()


def _mounts(connection: engine.Connection) -> Mounts:
    exports = Exports(
        partial(start_export, connection),
        partial(stop_export, connection, discard=False),
        partial(export_forgotten, Path(connection.state_dir)),
    )
    return Mounts(Path(connection.state_dir), connection.vault, vault_directory(connection.vault), exports)


def paced_parts(tally: Tally, state: Path, pace: Pace) -> Parts:
    """What an engine is made of whose stores keep to a pace, and count their requests."""
    return parts(state, lambda store: PacedStore(store, pace), tally, guarded=False)


def parts(
    state: Path, wrapped: Callable[[ObjectStore], ObjectStore] = lambda store: store, tally: Tally | None = None, *, guarded: bool = True
) -> Parts:
    """What an engine is made of. `state`: the site's state directory. `wrapped`: around every store that is there already. `guarded`: a
    watch keeps the VM's QMP socket to itself, and is cleaned up after if this process is killed; a daemon begins it again by itself."""
    made = partial(open_store, state=state, make=True)

    async def watched(source: engine.QemuSource, request: Profile, progress: engine.OnProgress, machine: str) -> Profiled:
        return await profiled(source, request, progress, machine=machine, guarded=guarded)

    caching = partial(cached, lasts=names.lasts)
    return Parts(
        *(lambda url: wrapped(open_store(url, state, tally=tally)), made, vault_directory, open_source),
        *(open_locks, caching, where_to_look, watched),
    )


def _local(connection: engine.Connection) -> LocalEngine:
    return LocalEngine(connection, parts(Path(connection.state_dir)))


def open_source(source: engine.MachineSource, machine_id: str, name: str, directory: Path) -> DiskSource:
    match source:
        case engine.BlockSource(disks=disks):
            return QuiescedWhileRead(BlockSource(disks), _quiesce(source, machine_id, name, directory))
        case engine.QemuSource(qmp=qmp, disks=disks, exclude=exclude):
            wanted, quiesce = Wanted(source.method, source.allow_pause), _quiesce(source, machine_id, name, directory)
            vm = QemuSource(machine_id, qmp, directory, disks, wanted, exclude=exclude)
            # Outermost: the agent cannot answer once its VM is stopped.
            vm.around.insert(0, at_the_instant(quiesce))
            return QuiescedSource(vm, quiesce)


def _quiesce(source: engine.MachineSource, machine_id: str, name: str, directory: Path) -> Quiesce:
    agent = source.agent if isinstance(source, engine.QemuSource) else ""
    agent_path, pre, post = (Path(path) if path else None for path in (agent, source.pre_hook, source.post_hook))
    return Quiesce(machine_id, name, directory, Means(agent_path, pre, post), AgentFreeze())
