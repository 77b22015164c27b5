"""The process that serves a point: it holds the point, serves it until it is told to end, and leaves what was written."""

import asyncio
import logging
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec

from understudy import engine
from understudy.durable import remove
from understudy.errors import InvalidRequest, NotFound, StateFailed, UnderstudyError
from understudy.local.export_content import ExportContent
from understudy.local.export_file import RECORD, SOCKET, directory_of, held_for, write_export
from understudy.local.key_files import unlock_of
from understudy.local.outside import must_be_outside
from understudy.local.ownership import owned
from understudy.local.recovery_key import must_hold_the_recovery_key
from understudy.local.retaining import hold_added, hold_removed, holds_of
from understudy.model import BLOCK_SIZE
from understudy.nbd.server import Export, NbdServer
from understudy.recovery.export import base as reading
from understudy.recovery.export.device import PointDevice
from understudy.recovery.export.marks import Whose
from understudy.recovery.export.overlay import Overlay
from understudy.recovery.export.stock import IN_MEMORY, Stock
from understudy.store.protocol import ObjectStore
from understudy.vault.kinds import PointDisk
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

log = logging.getLogger(__name__)

MOST_PATH = 107
"""Bytes of a unix socket's path."""

Ready: TypeAlias = Callable[[engine.Export], None]


class Stores(NamedTuple):
    """`open_store` takes an address and the site's state directory; `vault_directory` is None for vaults that are no directory here."""

    open_store: Callable[[str, Path], ObjectStore]
    vault_directory: Callable[[str], Path | None]


class Order(msgspec.Struct, frozen=True):
    """What the process is told on its standard input."""

    connection: engine.Connection
    request: engine.StartExport


class Told(msgspec.Struct, frozen=True):
    """Its one answer: it serves, or why it cannot."""

    export: engine.Export | None = None
    failure: engine.Failure | None = None


async def serve_export(order: Order, stores: Stores, ready: Ready) -> None:
    """Until SIGTERM or SIGINT. `ready` is told when clients can connect. `Busy` if a process serves under this name already."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    state = Path(order.connection.state_dir)
    with owned(directory_of(state, order.request.name), f"the export {order.request.name}") as directory:
        async with AsyncExitStack() as stack:
            export = await _begin(order, stores, directory, stack)
            ready(export)
            log.info("serving point %d of %s as %s at %s", export.number, export.machine, export.name, export.listen)
            await ended.wait()
            log.info("ending")


async def _begin(order: Order, stores: Stores, directory: Path, stack: AsyncExitStack) -> engine.Export:
    request, connection = order.request, order.connection
    vault = await stack.enter_async_context(_vault(connection, stores))
    must_hold_the_recovery_key(vault)
    machine = await vault.find(request.machine)
    entry = next((entry for entry in machine.state.points if entry.point.id.hex() == request.point), None)
    if entry is None:
        raise NotFound(f"machine {machine.state.name!r} has no point {request.point}")
    if request.overlay:
        must_be_outside(stores.vault_directory(connection.vault), Path(request.overlay), "the overlay", "it is this host's own")
    listen = request.listen or str(directory / SOCKET)
    export = engine.Export(
        name=request.name,
        vault=connection.vault,
        machine=machine.state.name,
        machine_id=machine.machine_id,
        point=request.point,
        number=entry.seq,
        frozen_at=entry.point.frozen_at,
        overlay=request.overlay,
        listen=listen,
        tls=request.tls,
        disks=_disks(entry.point.disks, listen),
        state="serving",
        pid=os.getpid(),
    )
    known = await asyncio.to_thread((directory / RECORD).exists)
    # Before the hold, so that whoever finds a hold of a killed export finds the export, too.
    write_export(Path(connection.state_dir), export)
    try:
        await _hold(machine, request, connection.site)
        return await _served(vault, machine, export, request, Path(connection.state_dir), stack)
    except UnderstudyError:
        if not known:
            await released(machine, export, connection.site)
            remove(directory / RECORD)
        raise


async def _served(
    vault: Vault, machine: MachineLog, export: engine.Export, request: engine.StartExport, state: Path, stack: AsyncExitStack
) -> engine.Export:
    content = await ExportContent.open(vault, machine, bytes.fromhex(export.point))
    devices = await _devices(vault, machine, request, content, directory_of(state, export.name), stack)
    server = NbdServer({name: Export(device, f"{export.machine} at point {export.number}") for name, device in devices.items()})
    stack.push_async_callback(server.close)
    listen = _listen(server, export.listen, request.tls)
    export = msgspec.structs.replace(export, listen=listen, disks=_disks([disk.disk for disk in content.disks], listen))
    write_export(state, export)
    return export


def _disks(disks: Iterable[PointDisk], listen: str) -> tuple[engine.ExportedDisk, ...]:
    return tuple(engine.ExportedDisk(name=disk.name, id=disk.id.hex(), size=disk.size, uri=uri_of(listen, disk.name)) for disk in disks)


@asynccontextmanager
async def _vault(connection: engine.Connection, stores: Stores) -> AsyncIterator[Vault]:
    if connection.credential is None:
        raise InvalidRequest("an export needs a key of the vault", hint="give --key-file or --passphrase-file")
    unlock = await asyncio.to_thread(unlock_of, connection.credential)
    store = stores.open_store(connection.vault, Path(connection.state_dir))
    try:
        vault = await Vault.open(store, unlock, Path(connection.state_dir))
    except BaseException:
        await store.close()
        raise
    try:
        yield vault
    finally:
        await vault.close()


async def _hold(machine: MachineLog, request: engine.StartExport, site: str) -> None:
    """One hold, however often an export is begun again."""
    reason = held_for(request.name, site)
    if not any(hold.reason == reason and hold.point == request.point for hold in holds_of(machine.state)):
        await hold_added(machine, engine.AddHold(machine=machine.machine_id, point=request.point, reason=reason))


async def released(machine: MachineLog, export: engine.Export, site: str) -> None:
    """The point is not held for this export any more."""
    reason = held_for(export.name, site)
    for hold in holds_of(machine.state):
        if hold.reason == reason and hold.point == export.point:
            await hold_removed(machine, engine.RemoveHold(machine=machine.machine_id, hold=hold.id))


async def _devices(
    vault: Vault, machine: MachineLog, request: engine.StartExport, content: ExportContent, directory: Path, stack: AsyncExitStack
) -> dict[str, PointDevice]:
    opened: dict[str, PointDevice] = {}
    files = stack.enter_context(ExitStack())
    for disk in content.disks:
        name = disk.disk.name
        stock = Stock(directory, reading.PIECE * BLOCK_SIZE, memory=IN_MEMORY // len(content.disks))
        files.callback(stock.close)
        base = reading.PointDisk(disk, content.renew, stock)
        overlay = None
        if request.overlay:
            whose = Whose(vault=vault.id, machine=machine.machine_id, point=request.point, disk=disk.disk.id.hex(), size=disk.disk.size)
            overlay = _overlay(Path(request.overlay), base, whose)
            files.callback(overlay.close)
            stack.push_async_callback(overlay.flush)
        opened[name] = PointDevice(base, overlay)
    return opened


def _overlay(directory: Path, base: reading.PointDisk, whose: Whose) -> Overlay:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Overlay(directory, base, whose)
    except OSError as error:
        raise StateFailed(
            f"the overlay cannot be made in {directory}: {error.strerror or error}", hint="name another directory, with space in it"
        ) from error


def _listen(server: NbdServer, listen: str, tls: str) -> str:
    """Where it listens in fact: a port of 0 becomes one."""
    tcp = tcp_of(listen)
    try:
        if tcp is not None:
            host, port = tcp
            port = server.listen_tcp(host, port, context_of(Path(tls)))
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if len(os.fsencode(listen)) > MOST_PATH:
            raise InvalidRequest(
                f"the socket's path {listen} is longer than {MOST_PATH} bytes, which no client can name",
                hint="give a shorter one: --listen",
            )
        server.listen_unix(Path(listen))
    except OSError as error:
        raise StateFailed(f"cannot listen at {listen}: {error.strerror or error}", hint="name another place: --listen") from error
    return listen


def tcp_of(listen: str) -> tuple[str, int] | None:
    """Host and port; None for a path."""
    host, colon, port = listen.rpartition(":")
    if listen.startswith("/") or not colon or not port.isdecimal() or int(port) > 65535:
        return None
    return host.removeprefix("[").removesuffix("]"), int(port)


def uri_of(listen: str, disk: str) -> str:
    return f"nbds://{listen}/{quote(disk, safe='')}" if tcp_of(listen) else f"nbd+unix:///{quote(disk, safe='')}?socket={quote(listen)}"


def context_of(directory: Path) -> ssl.SSLContext:
    """The names are those that QEMU's and libnbd's tools know. Clients must show a certificate of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(directory / "server-cert.pem", directory / "server-key.pem")
        context.load_verify_locations(directory / "ca-cert.pem")
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest(
            f"the certificates in {directory} cannot be used: {error}",
            hint="it must hold server-cert.pem, server-key.pem and ca-cert.pem, the authority of the clients' certificates",
        ) from None
    return context
