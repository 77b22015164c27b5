"""What must be done to a VM even if this process is killed or stopped in the middle: left with a process of its own, which does it then.

The lines are written on the very connection that this process uses, since QEMU's monitor and a guest's agent serve one client each. While
this process lives the answers come to it, and it drops them as those of commands that it did not send.
"""

import asyncio
import itertools
import marshal
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from understudy.errors import SourceUnavailable
from understudy.finish import finish
from understudy.qemu import lifeline_process

PROGRAM = Path(lifeline_process.__file__)
PATIENCE = 60.0
"""Seconds for an answer: that program's start on a machine that is very busy, at most."""
DEAF_TO = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Whoever ends a whole service so means this process first, and that is when the other one is needed."""


@dataclass(frozen=True, slots=True)
class FileLimit:
    """A file may have so many bytes, or (`allocated`) take so many of its file system. One that does not exist has none."""

    path: Path
    bytes: int
    allocated: bool = False


@dataclass(frozen=True, slots=True)
class SpaceLimit:
    """A file system must have so many bytes left for an unprivileged process."""

    path: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class Order:
    """What to write when this process dies, or the first of the limits is passed."""

    lines: bytes
    awaited: bytes
    """Comes in the answer to the last line. This process being dead, the connection is kept until then."""
    deadline: float | None = None
    """Seconds from now, whether this process sleeps or not."""
    files: tuple[FileLimit, ...] = ()
    spaces: tuple[SpaceLimit, ...] = ()


@dataclass(frozen=True, slots=True)
class Armed:
    """An order that the other process has taken."""

    process: "_Process"
    number: int


class Lifeline:
    """The other process; made when it is first needed. Orders that are still armed when this ends are carried out."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._numbers = itertools.count()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Begin to make the process, so that the first order need not wait for it. Idempotent."""
        if self._process is None or self._process.ended:
            self._process = _Process()

    async def arm(self, peer: int, order: Order) -> Armed:
        """From its return on the order will be carried out, whatever becomes of this process. `peer`: a connected socket's descriptor."""
        self.start()
        assert self._process is not None
        armed = Armed(self._process, next(self._numbers))
        deadline = None if order.deadline is None else time.monotonic() + order.deadline
        files = [(os.fspath(file.path.absolute()), file.bytes, file.allocated) for file in order.files]
        spaces = [(os.fspath(space.path.absolute()), space.bytes) for space in order.spaces]
        message = (armed.number, order.lines, order.awaited, deadline, files, spaces)
        try:
            await finish(armed.process.ask(message, [peer]))
        except asyncio.CancelledError:
            await finish(self.disarm(armed))
            raise
        return armed

    async def disarm(self, armed: Armed) -> str:
        """Why the order was carried out; empty: it was not, and never will be. `SourceUnavailable`: the other process ended, not known."""
        return await finish(armed.process.ask((armed.number,), []))

    def close(self) -> None:
        """Idempotent."""
        if self._process is not None:
            self._process.close()
            self._process = None


class _Process:
    """One question at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        self._asking = asyncio.Lock()
        self.ended = False
        with theirs:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
            silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
            command = [sys.executable, "-I", "-S", os.fspath(PROGRAM)]
            pid = os.posix_spawn(command[0], command, os.environ, file_actions=[*actions, *silent], setsid=True, setsigmask=DEAF_TO)
        threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True, name=f"lifeline-{pid}").start()

    async def ask(self, message: tuple[Any, ...], descriptors: list[int]) -> str:
        async with self._asking:
            try:
                if self.ended:
                    raise BrokenPipeError
                socket.send_fds(self._socket, [marshal.dumps(message)], descriptors)
                async with asyncio.timeout(PATIENCE):
                    data = await asyncio.get_running_loop().sock_recv(self._socket, lifeline_process.LARGEST)
                if not data:
                    raise BrokenPipeError
            except OSError as error:
                self.close()
                raise SourceUnavailable(
                    "the process that acts for this one, were it killed or stopped, has ended or does not answer",
                    hint="was it killed, or is this host out of memory? the VM is not touched without it; try again",
                ) from error
        _, why = marshal.loads(data)
        assert isinstance(why, str)
        return why

    def close(self) -> None:
        self.ended = True
        self._socket.close()


def qmp_lines(commands: Sequence[tuple[str, Mapping[str, object]]]) -> tuple[bytes, bytes]:
    """Commands as an order's lines, and what to await. Their ids are no other client's."""
    mark = f"lifeline-{secrets.token_hex(8)}"
    texts = [
        msgspec.json.encode({"execute": command, "arguments": arguments, "id": f"{mark}-{number}"})
        for number, (command, arguments) in enumerate(commands)
    ]
    return b"".join(text + b"\r\n" for text in texts), f'"{mark}-{len(texts) - 1}"'.encode()
