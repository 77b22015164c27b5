"""A program of the operator's own that looks at the machine."""

import asyncio
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress

from understudy.engine import ScriptCheck
from understudy.failover.health.subject import Found, Subject, Unwell, plain
from understudy.finish import finish

TAIL = 4096
"""Characters that are kept of what it says: the end."""
MOST = 1 << 20
"""Bytes that are kept meanwhile; of one that goes on, what it said before is dropped."""
LOOK = 0.2


async def passes(subject: Subject, check: ScriptCheck) -> Found:
    """Once: it may wait itself."""
    try:
        status, text = await ended((check.program, *check.arguments), environment(subject))
    except OSError as error:
        raise Unwell(f"{check.program} could not be run: {error.strerror}") from None
    if status:
        how = f"status {status}" if status > 0 else f"signal {-status}"
        raise Unwell(f"{check.program} ended with {how}: {plain(text, 200)}".removesuffix(": "))
    return Found(f"{check.program} ended with status 0", output=text)


async def ended(command: Sequence[str], told: Mapping[str, str]) -> tuple[int, str]:
    """Its status (a signal's number negative), and the end of what it said. `told`: more of its environment. `OSError` if it cannot be run.

    Whatever it started in its session is killed at its end, or when this is cancelled.
    """
    with tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **told},
            cwd="/",
            start_new_session=True,
        )
        try:
            status = await _ended(process, said.fileno())
        finally:
            await finish(_kill(process))
        return status, _tail(said.fileno())


def environment(subject: Subject) -> dict[str, str]:
    """What the program is told."""
    return {
        "UNDERSTUDY_MACHINE": subject.machine,
        "UNDERSTUDY_MACHINE_NAME": subject.name,
        "UNDERSTUDY_POINT": subject.point,
        "UNDERSTUDY_RUN": subject.run,
        "UNDERSTUDY_ADDRESSES": " ".join(subject.addresses),
        "UNDERSTUDY_FORWARDS": " ".join(f"{guest}=127.0.0.1:{here}" for guest, here in sorted(subject.forwards.items())),
        "UNDERSTUDY_NAMESPACE": subject.namespace,
    }


async def _ended(process: asyncio.subprocess.Process, said: int) -> int:
    waiting = asyncio.ensure_future(process.wait())
    try:
        while not (await asyncio.wait({waiting}, timeout=LOOK))[0]:
            if os.fstat(said).st_blocks * 512 > MOST:
                os.ftruncate(said, 0)
        return waiting.result()
    finally:
        waiting.cancel()


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _tail(said: int) -> str:
    size = os.fstat(said).st_size
    return os.pread(said, TAIL, max(0, size - TAIL)).replace(b"\0", b"").decode(errors="replace")
