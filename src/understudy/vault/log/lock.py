"""One append at a time on one host. The kernel lets go of the lock when its holder dies, however it dies."""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from understudy.errors import Busy, StateFailed

POLL = 0.02  # seconds between two tries at a lock that another process holds for one append
PATIENCE = 60.0


@contextlib.asynccontextmanager
async def briefly(path: Path, what: str) -> AsyncIterator[None]:
    """Wait for a lock that nobody holds for longer than one append; `Busy` if somebody does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}", hint="the state directory must be writable") from error
    try:
        until = time.monotonic() + PATIENCE
        while not _try(fd):
            if time.monotonic() > until:
                raise Busy(f"another process has been appending to {what} for {PATIENCE:.0f} s", hint="is its store hanging?")
            await asyncio.sleep(POLL)
        yield
    finally:
        os.close(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
