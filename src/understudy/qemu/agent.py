"""The guest's agent, by the unix socket of its QEMU character device. What it says comes from the guest, and may be anything.

Every command is preceded, in the same write, by a synchronisation whose answer begins with a byte that JSON cannot hold: what came before
it was the answer to somebody else's command, or to ours that we did not wait for.
"""

import asyncio
import errno
import secrets
import socket
from collections.abc import Mapping
from typing import Any, Self

import msgspec

from understudy.errors import SourceRefused, SourceUnavailable

SENTINEL = b"\xff"
LONGEST = 1 << 20
"""Bytes of an answer; those that are awaited here have a few dozen."""
SILENT = "is qemu-guest-agent running in the guest, and does nobody else (libvirt?) hold its socket?"

FROZEN, THAWED = "frozen", "thawed"


class AgentRefused(SourceRefused):
    """The agent answered a command with an error; `said` is its text."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"the guest's agent refused '{command}': {said}")
        self.said = said


class AgentSilent(SourceUnavailable):
    """Nothing answers in time. What was asked may still be done."""


class AgentGone(SourceUnavailable):
    """There is no such socket, or it was closed: the VM has ended."""


class GuestAgent:
    """One connection; one command at a time."""

    def __init__(self, path: str, connection: socket.socket) -> None:
        self._path = path
        self._connection = connection
        self._unread = b""
        self._first = SENTINEL

    @classmethod
    def connect(cls, path: str) -> Self:
        """`AgentGone` if nothing listens there. That QEMU listens does not mean that the guest does."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            if error.errno == errno.EAGAIN:
                raise AgentSilent(f"too many wait for the guest agent's socket {path}", hint=SILENT) from error
            raise AgentGone(
                f"the guest agent's socket {path} does not answer: {error.strerror or error}", hint="is the VM running?"
            ) from error
        return cls(path, connection)

    @property
    def descriptor(self) -> int:
        return self._connection.fileno()

    async def execute(self, command: str, timeout: float, arguments: Mapping[str, object] | None = None) -> Any:
        """The command's value. `AgentRefused`; `AgentSilent` after `timeout` seconds, `AgentGone`: then it may still be carried out."""
        number = _number()
        # What a dead client may have left half written ends with the first byte; its error is skipped with all else.
        asked = self._first + _line("guest-sync-delimited", {"id": number}) + _line(command, arguments)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_sendall(self._connection, asked)
                self._first = b""
                await self._synchronised(number)
                answer = self._decoded(await self._read_line())
        except TimeoutError:
            raise AgentSilent(f"the guest's agent did not answer '{command}' within {timeout:g} s", hint=SILENT) from None
        except OSError as error:
            raise AgentGone(f"the guest agent's socket {self._path} failed: {error.strerror}", hint="is the VM running?") from error
        if "return" in answer:
            return answer["return"]
        raise AgentRefused(command, _reason(answer))

    async def frozen(self, timeout: float) -> bool:
        """Whether the guest says that file systems are frozen, by whomever."""
        return bool(await self.execute("guest-fsfreeze-status", timeout) == FROZEN)

    def close(self) -> None:
        """Idempotent. What the guest has not taken yet is lost."""
        self._connection.close()

    async def _synchronised(self, number: int) -> None:
        while True:
            _, mark, rest = (await self._read_line()).rpartition(SENTINEL)
            if mark and self._decoded(rest).get("return") == number:
                return

    async def _read_line(self) -> bytes:
        while b"\n" not in self._unread:
            data = await asyncio.get_running_loop().sock_recv(self._connection, 1 << 16)
            if not data:
                raise AgentGone(f"QEMU closed the guest agent's socket {self._path}", hint="is the VM running?")
            self._unread += data
            if len(self._unread) > LONGEST:
                raise self._nonsense()
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _decoded(self, line: bytes) -> Mapping[str, Any]:
        try:
            return msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            raise self._nonsense() from None

    def _nonsense(self) -> SourceRefused:
        return SourceRefused(f"what answers at {self._path} is no guest agent", hint="name the socket of its character device")


def thaw_lines() -> tuple[bytes, bytes]:
    """For the lifeline: what thaws the guest whoever reads the answers, and what comes in the last of them."""
    number = _number()
    return SENTINEL + _line("guest-fsfreeze-thaw") + _line("guest-sync", {"id": number}), str(number).encode()


def _line(command: str, arguments: Mapping[str, object] | None = None) -> bytes:
    return msgspec.json.encode({"execute": command, **({"arguments": arguments} if arguments else {})}) + b"\n"


def _number() -> int:
    """Exact in every JSON reader, and not to be met by chance."""
    return secrets.randbelow(1 << 52) | 1 << 51


def _reason(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    return str(error.get("desc", error)) if isinstance(error, dict) else "no reason given"
