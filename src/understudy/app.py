"""The composition root: with `exporter`, the only place that names concrete kinds of stores and sources and joins the parts."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web

from understudy import api, engine
from understudy.config.values import ApiConfig
from understudy.daemon.serve import Assembly, run
from understudy.errors import InvalidRequest
from understudy.hypervisor.protocol import Hypervisor
from understudy.hypervisor.qemu.driver import QemuHypervisor
from understudy.hypervisor.qemu.readiness import FILES_FROM
from understudy.local.engine import LocalEngine
from understudy.local.export_file import exports_here, read_export
from understudy.local.export_serving import Order
from understudy.local.exporting import ended as export_ended
from understudy.local.exporting import export_started
from understudy.local.parts import Parts
from understudy.qemu.agent_freeze import AgentFreeze
from understudy.recovery.wrapper import wrap
from understudy.replica.exports import Exports
from understudy.replica.replicas import Replicas
from understudy.source.block import BlockSource
from understudy.source.protocol import DiskSource
from understudy.source.qemu import QemuSource
from understudy.source.qemu_begin import begin_records
from understudy.source.qemu_method import Wanted
from understudy.source.quiesce import Means, Quiesce
from understudy.source.quiesced import QuiescedSource, QuiescedWhileRead, at_the_instant
from understudy.store.paced import PacedStore
from understudy.store.protocol import ObjectStore, Pace
from understudy.store.url import directory_here as vault_directory
from understudy.store.url import open_store

__all__ = ["open_engine", "open_source", "vault_directory", "wrap"]


@asynccontextmanager
async def open_engine(connection: engine.Connection) -> AsyncIterator[engine.Engine]:
    """The engine inside this process."""
    local = _local(connection)
    try:
        yield local
    finally:
        await local.close()


async def serve(path: Path) -> None:
    """The daemon, until a signal ends it. `path`: its configuration."""
    await run(path, Assembly(_paced_parts, _make_app, _renew_app, _hypervisor, _replicas))


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


def open_replicas(connection: engine.Connection, files_from: Sequence[Path] = ()) -> Replicas:
    """What runs on this host from points of this vault. `files_from`: where else definitions may name firmware and kernels."""
    return _replicas(connection, _hypervisor(Path(connection.state_dir), files_from))


def exports(state_dir: str) -> tuple[engine.Export, ...]:
    """What this host exports, by name."""
    return exports_here(Path(state_dir))


def _local(connection: engine.Connection) -> LocalEngine:
    return LocalEngine(connection, Parts(open_store, _make_store, vault_directory, open_source))


def _hypervisor(state: Path, files_from: Sequence[Path]) -> QemuHypervisor:
    return QemuHypervisor(state / "vms", (*FILES_FROM, *files_from))


def _replicas(connection: engine.Connection, hypervisor: Hypervisor) -> Replicas:
    state = Path(connection.state_dir)
    served = Exports(
        find=partial(read_export, state),
        start=partial(start_export, connection),
        stop=partial(stop_export, connection, discard=False),
        end=partial(export_ended, state),
    )
    return Replicas(state / "replicas", hypervisor, served, begin_records)


def _paced_parts(pace: Pace) -> Parts:
    return Parts(lambda url: PacedStore(open_store(url), pace), _make_store, vault_directory, open_source)


def _make_app(service: engine.Service, config: ApiConfig) -> web.Application:
    return api.make_app(service, _settings(config))


def _renew_app(app: web.Application, config: ApiConfig) -> None:
    api.renew(app, _settings(config))


def _settings(config: ApiConfig) -> api.Settings:
    tokens = api.tokens_of(_text(Path(config.tcp.tokens))) if config.tcp else ()
    return api.Settings(admins=config.admins, operators=config.operators, viewers=config.viewers, tokens=tokens)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"api.tcp.tokens: {path} cannot be read: {error}") from None


def _make_store(url: str) -> ObjectStore:
    return open_store(url, make=True)


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
