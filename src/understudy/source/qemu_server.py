"""QEMU's NBD server: there is one a process, and it may be somebody else's."""

import asyncio
import os
from pathlib import Path

from understudy.durable import may_pass
from understudy.errors import SourceBusy, SourceRefused, StateFailed
from understudy.nbd.client import NbdClient
from understudy.nbd.failure import NbdFailed
from understudy.qemu.session import QmpRefused, QmpSession
from understudy.source.qemu_names import Names

PROBE_TIMEOUT = 3.0
OTHER_USER = (
    "if QEMU runs as another user, run understudy as that user too: runuser -u <QEMU's user> -- understudy …, with a --state-dir of its own"
)


class ServedByAnother(SourceBusy):
    """Somebody else's NBD server runs in this QEMU, which can have one."""


async def start_server(session: QmpSession, names: Names) -> None:
    """Make sure that this QEMU's NBD server listens at our socket. A foreign one is left alone: `ServedByAnother`."""
    socket = names.socket
    await asyncio.to_thread(_prepare, socket.parent)
    try:
        await session.execute("nbd-server-start", {"addr": {"type": "unix", "data": {"path": os.fspath(socket)}}})
    except QmpRefused as error:
        if may_pass(error.said):
            raise StateFailed(
                f"QEMU cannot serve NBD at {socket}: {error.said}", hint=f"{socket.parent} must be writable and not full"
            ) from error
        if "already running" not in error.said:
            raise SourceRefused(f"QEMU cannot serve NBD at {socket}: {error.said}", hint=OTHER_USER) from error
        if not await _answers(socket):
            raise ServedByAnother(
                "this QEMU already runs an NBD server that understudy did not start, and cannot run a second one",
                hint="end what uses it (another backup or migration), or stop it by nbd-server-stop when nobody does; then try again",
            ) from error


async def stop_server(session: QmpSession, names: Names, started: bool) -> None:
    """Stop the server unless it exports something, which is not ours then. `started`: it is known to be ours; else it must answer at
    our socket."""
    socket = names.socket
    if not started and not await asyncio.to_thread(os.path.lexists, socket):
        return
    if started or await _answers(socket):
        if await session.execute("query-block-exports"):
            return
        try:
            await session.execute("nbd-server-stop")
        except QmpRefused as error:
            if "not running" not in error.said:
                raise
    await asyncio.to_thread(forget_socket, names)


async def _answers(socket: Path) -> bool:
    """Whether an NBD server listens there. It is asked for an export that nobody has."""
    try:
        client = await NbdClient.connect_unix(os.fspath(socket), "understudy-probe", timeout=PROBE_TIMEOUT)
    except NbdFailed as failure:
        return "has no such export" in failure.message
    await client.close()
    return True


def _prepare(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StateFailed(f"{directory}: {error.strerror}", hint="QEMU's NBD socket is made there") from error
    if directory.stat().st_uid != os.geteuid():
        raise SourceRefused(f"{directory} belongs to another user", hint="remove it, or use another state directory")


def forget_socket(names: Names) -> None:
    """Remove a dead socket, and the directory that was made only because the usual path is too long."""
    socket = names.socket
    socket.unlink(missing_ok=True)
    if socket.parent != names.directory and socket.parent.is_dir():
        socket.parent.rmdir()
