"""Locks between the processes of one host. The kernel lets go of them when their holder dies, however it dies."""

import asyncio
import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from understudy.errors import Busy, StateFailed

POLL = 0.02  # seconds between two tries at a lock that another process holds for one append
PATIENCE = 60.0


@contextlib.contextmanager
def owned(path: Path, what: str) -> Iterator[None]:
    """Own `what` as long as the context lasts; `Busy` names the process that does already."""
    fd = _open(path)
    try:
        if not _try(fd):
            raise Busy(f"{what} is in use by {_owner(fd)}", hint="stop that process, or let it do this")
        text = json.dumps({"pid": os.getpid(), "command": " ".join(sys.argv)[:200], "since": time.strftime("%Y-%m-%dT%H:%M:%S%z")})
        os.ftruncate(fd, 0)
        os.pwrite(fd, text.encode(), 0)
        yield
    finally:
        os.close(fd)


@contextlib.asynccontextmanager
async def briefly(path: Path, what: str) -> AsyncIterator[None]:
    """Wait for a lock that nobody holds for longer than one append; `Busy` if somebody does."""
    fd = _open(path)
    try:
        until = time.monotonic() + PATIENCE
        while not _try(fd):
            if time.monotonic() > until:
                raise Busy(f"another process has been appending to {what} for {PATIENCE:.0f} s", hint="is its store hanging?")
            await asyncio.sleep(POLL)
        yield
    finally:
        os.close(fd)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}", hint="the state directory must be writable") from error


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(fd: int) -> str:
    try:
        owner = json.loads(os.pread(fd, 4096, 0))
        return f"process {owner['pid']} ({owner['command']}) since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
