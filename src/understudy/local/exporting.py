"""Begin and end the processes that serve points."""

import asyncio
import os
import select
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import remove, state_directory, sync_directory
from understudy.errors import Busy, Conflict, InvalidRequest, NotFound, StateFailed, UnderstudyError, known
from understudy.finish import finish
from understudy.local.export_file import LOG, RECORD, directory_of, is_served, read_export
from understudy.local.export_serving import Order, Told, released, tcp_of
from understudy.recovery.export.overlay import discard_overlays, files_of
from understudy.vault.log.machine_log import MachineLog

MARK = "understudy-export="
"""With the name an argument of the process, for who looks for it among others."""
PATIENCE = 120.0
"""Seconds until a process serves: it opens the vault, reads the log and the point's maps."""
ENDING = 60.0
"""Seconds for an orderly end: an overlay is flushed."""


async def export_started(program: Sequence[str], order: Order) -> engine.Export:
    """A process of its own serves the point when this returns. It outlives this one. Said again with the same point and overlay after
    that process was killed, it goes on with what was written."""
    request, state = order.request, Path(order.connection.state_dir)
    if (tcp_of(request.listen) is not None) != bool(request.tls):
        raise InvalidRequest(
            "TCP is served inside TLS only, and nothing else needs certificates",
            hint="give --listen HOST:PORT with --tls DIR, or neither for a unix socket",
        )
    directory = directory_of(state, request.name)
    await asyncio.to_thread(_must_be_free, state, request)
    with state_directory(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = await asyncio.to_thread(_Process, program, directory, request.name)
    answer = await finish(asyncio.to_thread(process.ask, msgspec.json.encode(order)))
    if not answer:
        raise StateFailed(f"the export's process ended: {_last_words(directory)}", hint=f"see {directory / LOG}")
    told = msgspec.json.decode(answer, type=Told)
    if told.failure is not None:
        if not (directory / RECORD).exists():
            await asyncio.to_thread(_forget, directory)
        raise known().get(told.failure.code, UnderstudyError)(told.failure.message, hint=told.failure.hint)
    assert told.export is not None
    return told.export


async def export_stopped(machine: MachineLog, state: Path, site: str, name: str, *, discard: bool) -> engine.Export:
    """Its process has ended, its point is not held any more, and the host has forgotten it. `Conflict` if it has an overlay, unless that
    is to be discarded: its process has ended then, and it may be started again."""
    export = await asyncio.to_thread(read_export, state, name)
    directory = directory_of(state, name)
    await ended(state, name)
    if export.overlay and not discard:
        raise Conflict(
            f"{name} is stopped; what was written to it is kept in {export.overlay}, and its point is held",
            hint=f"export point {export.number} again under this name to go on, or end it for good: understudy unexport {name} --discard",
        )
    # What was written first: if that fails, the export is still there to be ended again.
    if export.overlay:
        await asyncio.to_thread(discard_overlays, Path(export.overlay), [disk.id for disk in export.disks])
    await released(machine, export, site)
    await asyncio.to_thread(_forget, directory)
    return msgspec.structs.replace(export, state="stopped", pid=0)


async def export_forgotten(state: Path, name: str) -> None:
    """Its process has ended, and this host has forgotten it; its vault, which is gone, is not told. `Conflict` if what was written to an
    overlay is still there."""
    export = await asyncio.to_thread(read_export, state, name)
    if await asyncio.to_thread(_keeps, export):
        raise Conflict(f"what was written to {name} is kept in {export.overlay}", hint="end it by itself: understudy unexport")
    await ended(state, name)
    await asyncio.to_thread(_forget, directory_of(state, name))


def _keeps(export: engine.Export) -> bool:
    """Whether anything is there that was written to it."""
    if not export.overlay:
        return False
    overlay = Path(export.overlay)
    return any(path.exists() for disk in export.disks for path in files_of(overlay, disk.id)) or (not export.disks and overlay.exists())


async def ended(state: Path, name: str) -> None:
    """Its process, if there is one, has ended in an orderly way."""
    directory = directory_of(state, name)
    until = time.monotonic() + ENDING
    asked = False
    while await asyncio.to_thread(is_served, directory):
        export = await asyncio.to_thread(read_export, state, name)
        # Who is not asked twice is not killed while it flushes. Who began just now has not written its number yet.
        if not asked and export.pid and (asked := await asyncio.to_thread(_ask_to_end, export.pid, name)):
            continue
        if time.monotonic() > until:
            raise Busy(f"process {export.pid}, which serves {name}, does not end", hint=f"see {directory / LOG}; its store may not answer")
        await asyncio.sleep(0.05)


def _ask_to_end(pid: int, name: str) -> bool:
    """Whether the number is that of this export's process, which is asked then. Another program may have got it since."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        if os.fsencode(f"{MARK}{name}") not in words:
            return False
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        return True
    except (FileNotFoundError, ProcessLookupError):
        return False
    finally:
        os.close(descriptor)


def _must_be_free(state: Path, request: engine.StartExport) -> None:
    try:
        there = read_export(state, request.name)
    except NotFound:
        return
    if there.state == "serving":
        raise Busy(
            f"process {there.pid} serves {request.name} already: point {there.number} of {there.machine}",
            hint=f"`understudy unexport {request.name}` ends it; or give this one another name: --name",
        )
    if (there.point, there.overlay) != (request.point, request.overlay):
        raise Conflict(
            f"{request.name} is a stopped export of point {there.number} of {there.machine}"
            + (f", with what was written to it in {there.overlay}" if there.overlay else ""),
            hint=f"begin that one again, or end it first (`understudy unexport {request.name}`), or give this one another name: --name",
        )


def _forget(directory: Path) -> None:
    remove(directory / RECORD)
    shutil.rmtree(directory, ignore_errors=True)
    with state_directory(directory.parent):
        sync_directory(directory.parent)


def _last_words(directory: Path) -> str:
    try:
        lines = (directory / LOG).read_text(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return lines[-1][:500] if lines else "it said nothing"


class _Process:
    """A process in a session of its own: neither a terminal's keys nor the end of this process end it."""

    def __init__(self, program: Sequence[str], directory: Path, name: str) -> None:
        ours, theirs = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
        log = os.fspath(directory / LOG)
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
            (os.POSIX_SPAWN_DUP2, ours[0], 0),
            (os.POSIX_SPAWN_DUP2, theirs[1], 1),
            (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ]
        command = [*program, f"{MARK}{name}"]
        try:
            pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions, setsid=True)
        finally:
            os.close(ours[0])
            os.close(theirs[1])
        self._to, self._from, self._pid = ours[1], theirs[0], pid
        threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True, name=f"export-{pid}").start()

    def ask(self, order: bytes) -> bytes:
        """Its one answer; empty if it ended without. Blocks."""
        with os.fdopen(self._to, "wb") as to, os.fdopen(self._from, "rb") as answer:
            try:
                to.write(order)
                to.close()
            except BrokenPipeError:
                return b""
            ready, _, _ = select.select([answer], [], [], PATIENCE)
            if not ready:
                os.kill(self._pid, signal.SIGTERM)
                raise StateFailed(f"the export's process did not begin to serve within {PATIENCE:g} s", hint="does its store answer?")
            return answer.read()
