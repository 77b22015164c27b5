"""Programs of the operator's own: run, bounded, and ended with all that they started."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from understudy.finish import finish

TAIL = 4096
"""Characters that are kept of what one says: the end."""
MOST = 1 << 20
"""Bytes that are kept meanwhile; of one that goes on, what it said before is dropped."""
LOOK = 0.1
"""Seconds between two looks at how much that is."""


class Ended(NamedTuple):
    status: int
    """A signal's number negative."""
    said: str

    @property
    def how(self) -> str:
        return f"status {self.status}" if self.status >= 0 else f"signal {-self.status}"


async def ended(
    command: Sequence[str | Path], told: Mapping[str, str], patience: float | None = None, *, spare_rest: bool = False
) -> Ended:
    """How it came to its end, without standard input, in a session of its own.

    `told`: more of its environment. `patience`: seconds, then `TimeoutError`. `OSError` if it cannot be run. Whatever else runs in its
    session is killed with it when this ends; with `spare_rest`, not when it came to its end by itself.
    """
    # Not a pipe: a program that it leaves running would hold that open.
    with _listening() as said:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **told},
            cwd="/",
            start_new_session=True,
        )
        status = None
        try:
            async with asyncio.timeout(patience):
                status = await _status(process, said.fileno())
        finally:
            if status is None or not spare_rest:
                await finish(_kill(process))
        return Ended(status, _tail(said.fileno()))


async def _status(process: asyncio.subprocess.Process, said: int) -> int:
    """What it writes does not fill the file system meanwhile: all but the file's end is made a hole."""
    waiting = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait({waiting}, timeout=LOOK))[0]:
            if os.fstat(said).st_blocks * 512 > MOST:
                size = os.fstat(said).st_size
                end = os.pread(said, TAIL, max(0, size - TAIL))
                os.ftruncate(said, 0)
                os.pwrite(said, end, size - len(end))
        return waiting.result()
    finally:
        waiting.cancel()


def _listening() -> IO[bytes]:
    """For what it says. Where there is no space for that nobody hears it: it must run all the same."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "r+b", buffering=0)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _tail(said: int) -> str:
    size = os.fstat(said).st_size
    return os.pread(said, TAIL, max(0, size - TAIL)).replace(b"\0", b"").decode(errors="replace")
