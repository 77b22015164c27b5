"""One QMP session: a QMP socket serves one client at a time, so everyone who talks to a VM shares its session."""

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Self
from weakref import WeakValueDictionary

from qemu.qmp import ConnectError, ExecInterruptedError, ExecuteError, QMPClient, QMPError, Runstate, StateError
from qemu.qmp.message import Message
from qemu.qmp.qmp_client import NegotiationError

from understudy.errors import SourceRefused, SourceUnavailable

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 60.0
"""Seconds. A QEMU that is alive answers every command used here within milliseconds, unless its storage stalls."""

HELD = (
    "a QMP socket serves one client at a time, and another one may hold it; give understudy one of its own: "
    "-qmp unix:<path>,server=on,wait=off"
)
QUEUE_PAUSE = 0.05

_CREDENTIALS = struct.Struct("3i")

# The library logs what it raises; every failure here reaches the caller as an exception.
_QUIET = logging.getLogger("understudy.qemu.quiet")
_QUIET.disabled = True


class QmpRefused(SourceRefused):
    """QEMU answered a command with an error; nothing was done. `said` is QEMU's text.

    What it refuses now it may do later: somebody resized a disk just then, or a job of somebody's has it.
    """

    retryable = True

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"QEMU refused '{command}': {said}")
        self.command = command
        self.said = said


class QmpGone(SourceUnavailable):
    """Nothing listens at the socket: there is no such QEMU (any more)."""


class _Client(QMPClient):
    """The library writes out every message for its log, whether anybody reads that or not: a fifth of our time in an idle cycle."""

    def _cb_outbound(self, msg: Message) -> Message:
        return msg

    def _cb_inbound(self, msg: Message) -> Message:
        return msg


class QmpSession:
    """Commands to one QEMU; several may be under way at once."""

    def __init__(self, path: str, client: QMPClient, connection: socket.socket) -> None:
        self._path = path
        self._client = client
        self._connection = connection
        self._closed = False
        greeting: Any = client.greeting
        version = greeting.QMP.version["qemu"]
        self.version: tuple[int, int, int] = (version["major"], version["minor"], version["micro"])

    @classmethod
    async def connect(cls, path: str, timeout: float = CONNECT_TIMEOUT) -> Self:
        """Connect and negotiate. `QmpGone` if nothing listens there, `SourceUnavailable` if nothing answers."""
        try:
            async with asyncio.timeout(timeout):
                client, connection = await _connected(path)
        except TimeoutError:
            raise SourceUnavailable(f"the QMP socket {path} did not answer within {timeout:g} s", hint=HELD) from None
        except ConnectError as error:
            raise _unconnected(path, error.exc) from error
        except OSError as error:
            raise _unconnected(path, error) from error
        _OPEN[path] = session = cls(path, client, connection)
        return session

    @classmethod
    def held(cls, path: str) -> "QmpSession | None":
        """The session that this process has with it already, and that keeps everybody else out; not for the caller to close."""
        session = _OPEN.get(path)
        return session if session is not None and not session.closed else None

    @property
    def closed(self) -> bool:
        """Whether the session has ended, by either side; a new one must be made."""
        return self._closed or self._client.runstate is not Runstate.RUNNING

    @property
    def descriptor(self) -> int:
        """The connection's, for whoever must act on it when this process cannot."""
        return self._connection.fileno()

    @property
    def peer(self) -> int:
        """The process that listens, by its number; 0 if it cannot be seen from here."""
        return int(_CREDENTIALS.unpack(self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[0])

    async def execute(self, command: str, arguments: Mapping[str, object] | None = None) -> Any:
        """Run a command, return its value. `QmpRefused` on an error; `SourceUnavailable` if the session ended: it is not known
        then whether the command was carried out."""
        if self._closed:
            raise self._lost(command)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT):
                return await self._client.execute(command, arguments)
        except ExecuteError as error:
            raise QmpRefused(command, str(error)) from None
        except TimeoutError:
            await self.close()
            raise SourceUnavailable(
                f"QEMU at {self._path} did not answer '{command}' within {COMMAND_TIMEOUT:g} s", hint="its storage may be stalled"
            ) from None
        except (ExecInterruptedError, StateError, QMPError, EOFError, OSError) as error:
            await self.close()
            raise self._lost(command) from error

    async def transaction(self, actions: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        """All of these or none, at one instant. Nothing is sent for none."""
        if actions:
            await self.execute("transaction", {"actions": [{"type": kind, "data": dict(data)} for kind, data in actions]})

    async def close(self) -> None:
        """Disconnect. Idempotent; never raises."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._client.disconnect()
        except (QMPError, EOFError, OSError):
            # It tells once more why the session had ended.
            return

    def _lost(self, command: str) -> SourceUnavailable:
        return SourceUnavailable(f"QEMU at {self._path} closed the connection before it answered '{command}'", hint="the VM may have ended")


_OPEN: WeakValueDictionary[str, QmpSession] = WeakValueDictionary()


async def _connected(path: str) -> tuple[QMPClient, socket.socket]:
    """Tried again while the caller waits, for what passes: clients that gave up stay in QEMU's short queue until it comes to them,
    and right after one ended, an event or the answer that was meant for it may come in place of the answer to the handshake."""
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        client = _Client()
        client.logger = _QUIET
        try:
            connection.connect(path)
            await client.connect(connection)
        except BlockingIOError:
            # The queue is full.
            connection.close()
        except ConnectError as error:
            connection.close()
            if not isinstance(error.exc, NegotiationError):
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return client, connection
        await asyncio.sleep(QUEUE_PAUSE)


def _unconnected(path: str, error: BaseException) -> SourceUnavailable:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ECONNREFUSED):
        return QmpGone(f"no QEMU listens at {path}", hint="is the VM running? start it with -qmp unix:<path>,server=on,wait=off")
    if isinstance(error, OSError):
        return SourceUnavailable(f"cannot connect to the QMP socket {path}: {error.strerror or error}", hint="check its permissions")
    return SourceUnavailable(f"what listens at {path} does not speak QMP: {error}")
