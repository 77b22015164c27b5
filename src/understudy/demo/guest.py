"""A running guest: its QEMU process and the other end of its console."""

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, TypeVar

import msgspec

from understudy.demo.console import Acknowledgement, Line, LineSplitter, Verdict
from understudy.demo.kit import Kit
from understudy.demo.machine import Accelerator, GuestDisk, Mode, qemu_command
from understudy.errors import SourceUnavailable, Unsupported

T = TypeVar("T")

_READ = 1 << 16
_TAIL = 12


class GuestFailed(SourceUnavailable):
    """A guest did not start, ended early, reported an error or did not say what was waited for."""

    code: ClassVar[str] = "guest_failed"


class Guest:
    """Made by ``start``; an asynchronous context manager that leaves no process behind.

    ``qmp`` is for whoever replicates the guest, ``control`` is a second monitor for whoever watches over it. Both live in ``directory``,
    whose path must be short enough for a socket's name.
    """

    def __init__(self, process: asyncio.subprocess.Process, directory: Path, disks: Sequence[GuestDisk]) -> None:
        self._process = process
        self.directory = directory
        self.disks = tuple(disks)
        self.qmp = directory / "qmp.sock"
        self.control = directory / "control.sock"
        self.lines: list[Line] = []
        self.acknowledged: list[Acknowledgement] = []
        self._first: dict[str, Line] = {}
        self._silent = False
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read_console())

    @classmethod
    async def start(
        cls,
        kit: Kit,
        accelerator: Accelerator,
        directory: Path,
        mode: Mode,
        disks: Sequence[GuestDisk],
        *,
        options: Mapping[str, str] | None = None,
        devices: Sequence[str] = (),
    ) -> Self:
        """Start QEMU; use ``wait_for("up")`` or the like to know how far the guest has come. `devices`: more words of its command."""
        monitors = (directory / "qmp.sock", directory / "control.sock")
        command = qemu_command(kit, accelerator, mode, disks, monitors=monitors, options=options)
        command += devices
        if shutil.which(command[0]) is None:
            raise Unsupported(f"there is no {command[0]} here", hint="apt-get install qemu-system-x86")
        # Whatever becomes of this process, the guest does not outlive it.
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with (directory / "qemu.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, start_new_session=True
            )
        return cls(process, directory, disks)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def newest(self) -> int:
        """The highest number acknowledged so far."""
        return self.acknowledged[-1].number if self.acknowledged else 0

    async def wait_for(self, word: str, timeout: float = 30.0) -> Line:
        """The first line ``@word ...``, said already or yet to come."""

        return await self._until(lambda: self._first.get(word), f'say "@{word}"', timeout)

    async def wait_for_record(self, number: int, timeout: float = 30.0) -> None:
        """Return once record ``number`` is acknowledged."""
        await self._until(lambda: True if self.newest >= number else None, f"acknowledge record {number}", timeout)

    async def run(self, command: str, timeout: float = 30.0) -> list[str]:
        """In shell mode: what one line of shell prints. Raises `GuestFailed` if its status is not 0."""
        await self.wait_for("shell", timeout)
        start = len(self.lines)
        assert self._process.stdin is not None
        self._process.stdin.write(command.encode() + b"\n")
        await self._process.stdin.drain()

        def done() -> int | None:
            return next((index for index in range(start, len(self.lines)) if self.lines[index].value_of("done") is not None), None)

        end = await self._until(done, f"finish: {command}", timeout)
        output = [line.text for line in self.lines[start:end]]
        if self.lines[end].value_of("done") != "0":
            raise GuestFailed(f"in the guest, {command!r} ended with {self.lines[end].text}: {output[-3:]}")
        return output

    async def verdict(self, timeout: float = 120.0) -> Verdict:
        """In check mode: what the guest found."""
        line = await self.wait_for("verdict", timeout)
        return msgspec.json.decode(line.value_of("verdict") or "", type=Verdict)

    async def kill(self) -> None:
        """SIGKILL, and wait until the process is gone and all that it had said is read."""
        if self.running:
            self._process.kill()
        await self.ended()

    async def ended(self) -> int:
        """Wait for the process to end by itself; its exit status."""
        status = await self._process.wait()
        await self._reader
        return status

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.kill()

    async def _until(self, found: Callable[[], T | None], what: str, timeout: float) -> T:
        async def watch() -> T:
            async with self._changed:
                while (result := found()) is None:
                    if "error" in self._first or self._silent:
                        raise GuestFailed(f"the guest ended before it could {what}: {self._tail()}")
                    await self._changed.wait()
                return result

        try:
            async with asyncio.timeout(timeout):
                return await watch()
        except TimeoutError:
            raise GuestFailed(f"the guest did not {what} within {timeout:.0f} seconds: {self._tail()}") from None

    async def _read_console(self) -> None:
        assert self._process.stdout is not None
        splitter = LineSplitter()
        while data := await self._process.stdout.read(_READ):
            for line in splitter.feed(data, time.time_ns()):
                self._take(line)
            async with self._changed:
                self._changed.notify_all()
        self._silent = True
        async with self._changed:
            self._changed.notify_all()

    def _take(self, line: Line) -> None:
        self.lines.append(line)
        if line.text.startswith("@"):
            self._first.setdefault(line.text[1:].partition(" ")[0], line)
        number = line.value_of("ack")
        if number is not None:
            self.acknowledged.append(Acknowledgement(line.at, int(number)))

    def _tail(self) -> str:
        log = (self.directory / "qemu.log").read_text(errors="replace").strip().splitlines()
        return " | ".join([line.text for line in self.lines[-_TAIL:]] + log[-_TAIL:]) or "it said nothing"
