"""Programs of the operator's that are run before and after a freeze, for what quiesces itself only when told to."""

import asyncio
import os
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from understudy.errors import InvalidRequest
from understudy.finish import finish
from understudy.qemu.agent_freeze import words

PATIENCE = 30.0
"""Seconds for a hook; then its whole process group is killed."""
TAIL = 400
"""Characters of what a failed hook said."""
MOST = 1 << 20
"""Bytes that are kept of what a hook says; of one that goes on, what it said before is dropped."""
LOOK = 0.1
"""Seconds between two looks at how much that is."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What a hook is told by its environment."""

    machine: str
    """Its id."""
    name: str
    point: str
    phase: str
    """pre or post."""
    outcome: str = ""
    """Of a post hook: `app` or `crash` (how consistent the point is), `failed` (there is none), `interrupted` (not known: the process
    that ran the pre hook was killed)."""


def checked(hook: Path) -> None:
    """InvalidRequest unless this can be run."""
    if not hook.is_absolute():
        raise InvalidRequest(f"the hook {hook} is no absolute path", hint="name hooks by absolute paths")
    if not hook.is_file() or not os.access(hook, os.X_OK):
        raise InvalidRequest(f"the hook {hook} cannot be run", hint="it must be an executable file: chmod +x")


async def run_hook(hook: Path, occasion: Occasion, patience: float = PATIENCE) -> str:
    """Why it failed; empty if it did not. Cancelled, it is killed first."""
    environment = {
        **os.environ,
        "UNDERSTUDY_MACHINE": occasion.machine,
        "UNDERSTUDY_MACHINE_NAME": occasion.name,
        "UNDERSTUDY_POINT": occasion.point,
        "UNDERSTUDY_PHASE": occasion.phase,
        "UNDERSTUDY_OUTCOME": occasion.outcome,
    }
    # Not a pipe: a program that it leaves running would hold that open.
    with _listening() as said:
        try:
            process = await asyncio.create_subprocess_exec(
                hook, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said, env=environment, cwd="/", start_new_session=True
            )
        except OSError as error:
            return f"the {occasion.phase}-hook {hook} could not be run: {error.strerror}"
        try:
            async with asyncio.timeout(patience):
                status = await _ended(process, said.fileno())
        except TimeoutError:
            await finish(_kill(process))
            return f"the {occasion.phase}-hook {hook} took more than {patience:g} s"
        except BaseException:
            await finish(_kill(process))
            raise
        if status == 0:
            return ""
        return f"the {occasion.phase}-hook {hook} ended with {_status(status)}{_tail(said.fileno())}"


async def _ended(process: asyncio.subprocess.Process, said: int) -> int:
    """Its status. What it writes does not fill the file system meanwhile: the file's beginning is made a hole."""
    waiting = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait({waiting}, timeout=LOOK))[0]:
            if os.fstat(said).st_blocks * 512 > MOST:
                os.ftruncate(said, 0)
        return waiting.result()
    finally:
        waiting.cancel()


def _listening() -> IO[bytes]:
    """For what a hook says. Where there is no space for that nobody hears it: it must run all the same."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "r+b", buffering=0)


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _status(status: int) -> str:
    return f"status {status}" if status >= 0 else f"signal {-status}"


def _tail(said: int) -> str:
    size = os.fstat(said).st_size
    text = os.pread(said, TAIL, max(0, size - TAIL)).replace(b"\0", b"").decode(errors="replace").split()
    return f": {words(' '.join(text))}" if text else ""
