"""``understudy serve`` with a configuration, a state directory and a socket of its own."""

import asyncio
import os
import shutil
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from understudy.demo.command import Command
from understudy.errors import StateFailed

_CONFIGURATION = """\
site = "demo"
state-dir = "{work}/state"

[vault]
url = "file://{work}/vault"
key-file = "{work}/operator.key"

[api]
socket = "{runtime}/api.sock"

[policy]
interval = "1s"
verify-every = 0
"""
_PATIENCE = 60.0


@dataclass(frozen=True)
class Daemon:
    """One that runs."""

    process: Process
    socket: Path
    log: Path

    async def outlives(self, what: asyncio.Event) -> None:
        """Return when `what` is set; raise if the daemon ends before."""
        waiting, ended = asyncio.create_task(what.wait()), asyncio.create_task(self.process.wait())
        try:
            await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            ended.cancel()
        if not what.is_set():
            raise self.failed()

    async def stop(self) -> None:
        """As systemd would: it ends by itself, and well."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        if await self.process.wait() != 0:
            raise self.failed()

    def failed(self) -> StateFailed:
        said = self.log.read_text(errors="replace").strip().splitlines()[-5:]
        return StateFailed(f"the daemon ended with status {self.process.returncode}: {' | '.join(said) or 'it said nothing'}")


@asynccontextmanager
async def serving(command: Command, work: Path, runtime: Path) -> AsyncIterator[Daemon]:
    """Entered when it is ready. One that runs when the context is left is killed: what it was at does not matter any more."""
    configuration = work / "understudy.toml"
    configuration.write_text(_CONFIGURATION.format(work=work, runtime=runtime))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as notices:
        notices.bind(str(runtime / "notices.sock"))
        log = runtime / "daemon.log"
        process = await _started(command, configuration, runtime, log)
        daemon = Daemon(process, runtime / "api.sock", log)
        try:
            await _ready(daemon, notices)
            yield daemon
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _started(command: Command, configuration: Path, runtime: Path, log: Path) -> Process:
    words = command.told("serve", "--config", str(configuration))
    # Whatever becomes of this process, the daemon does not outlive it.
    guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    environment = {**os.environ, "NOTIFY_SOCKET": str(runtime / "notices.sock")}
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            *guard, *words, stdin=DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
        )


async def _ready(daemon: Daemon, notices: socket.socket) -> None:
    ready = asyncio.Event()

    async def listen() -> None:
        while b"READY=1" not in await asyncio.get_running_loop().sock_recv(notices, 4096):
            continue
        ready.set()

    listening = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(_PATIENCE):
            await daemon.outlives(ready)
    except TimeoutError:
        raise StateFailed(f"the daemon was not ready within {_PATIENCE:.0f} seconds: see {daemon.log}") from None
    finally:
        listening.cancel()
