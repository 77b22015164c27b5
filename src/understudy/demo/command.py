"""The understudy command as anyone would use it: a subprocess whose answers are JSON."""

import asyncio
import os
import shlex
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from understudy.errors import SourceUnavailable, UnderstudyError, Unsupported

T = TypeVar("T")

_LINE_LIMIT = 16 << 20
_COLUMNS = "110"


class _Failure(msgspec.Struct, frozen=True):
    code: str
    message: str
    hint: str = ""


class _Failed(msgspec.Struct, frozen=True):
    error: _Failure


class Command:
    """Runs ``understudy`` with these variables added to the environment; each command line is told to ``tell`` first."""

    def __init__(self, variables: Mapping[str, str], tell: Callable[[str], None]) -> None:
        own = Path(sys.executable).with_name("understudy")
        program = str(own) if own.exists() else shutil.which("understudy")
        if program is None:
            raise Unsupported("the understudy command is not installed beside this Python", hint="pip install understudy")
        self._program = program
        # Settings that the caller's environment may hold for another vault would contradict ours.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("UNDERSTUDY_")}
        self._environment = {**inherited, **variables}
        self._tell = tell

    async def ask(self, *words: str, answer: type[T]) -> T:
        """Run one command to its end; its answer, or the error that it reported."""
        process = await self.start(*words)
        try:
            output, errors = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if process.returncode != 0:
            raise failure_of(words, output, errors)
        return msgspec.json.decode(output.strip(), type=answer)

    async def shown(self, *words: str) -> list[str]:
        """Run one command to its end; the lines that a person would see. Its exit code says how machines are, not how it went."""
        process = await asyncio.create_subprocess_exec(
            *self.told(*words), stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env={**self._environment, "COLUMNS": _COLUMNS}
        )
        try:
            output, errors = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        if not output:
            raise failure_of(words, output, errors)
        return output.decode().rstrip().splitlines()

    def told(self, *words: str) -> list[str]:
        """What to execute; whoever watches hears of it."""
        self._tell(shlex.join(["understudy", *words]))
        return [self._program, *words]

    async def start(self, *words: str) -> Process:
        """Start one command; the caller sees to its end."""
        command = [*self.told(*words), "--json"]
        # Whatever becomes of this process, the command does not outlive it.
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        return await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=self._environment, limit=_LINE_LIMIT, start_new_session=True
        )


def failure_of(words: tuple[str, ...], output: bytes, errors: bytes) -> UnderstudyError:
    """What a failed command said, as the error that it was."""
    said = f"understudy {words[0]}"
    last = (output.strip().splitlines() or [b""])[-1]
    try:
        failure = msgspec.json.decode(last, type=_Failed).error
    except msgspec.DecodeError:
        tail = (errors.strip() or last[-1000:]).decode(errors="replace").splitlines()[-5:]
        return UnderstudyError(f"{said} failed: {' | '.join(tail) or 'it said nothing'}")
    return _kinds().get(failure.code, UnderstudyError)(f"{said}: {failure.message}", hint=failure.hint)


def _kinds() -> dict[str, type[UnderstudyError]]:
    found = [UnderstudyError]
    for kind in found:
        found += kind.__subclasses__()
    return {kind.code: kind for kind in reversed(found)}


class Follower:
    """A command that goes on in the background, ``understudy events --follow``: its lines as they come, until it is killed."""

    def __init__(self, process: Process, take: Callable[[dict[str, Any]], None]) -> None:
        self._process = process
        self._take = take
        self._errors = b""
        self._last = b""
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_errors())]

    async def watch(self, stop: asyncio.Event) -> None:
        """Return when ``stop`` is set; raise if the command ends before."""
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({waiting, self._tasks[0]}, return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                if self._tasks[0].exception():
                    self._process.kill()
                await self._end()
                raise failure_of(("events",), self._last, self._errors)
        finally:
            waiting.cancel()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._end()

    async def _end(self) -> None:
        await self._process.wait()
        await asyncio.gather(*self._tasks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._last = line
            try:
                document = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError:
                raise SourceUnavailable(f"understudy events said what is not JSON: {line!r}") from None
            self._take(document)

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._errors = await self._process.stderr.read()
