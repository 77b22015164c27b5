"""A machine is owned by one process on a host: an flock that the kernel drops with its process, on a file that names the owner."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from understudy.errors import Busy, StateFailed

LOCK = "lock"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds the lock; `since` in wall-clock ns."""

    pid: int
    command: str
    since: int


@contextmanager
def owned(directory: Path, machine: str) -> Iterator[Path]:
    """Own `machine`, whose local files are in `directory` (made if missing, and given back), or raise Busy.

    Who removes the directory does so while owning it; a lock on a file that is not the one of this name any more is nobody's.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFailed(
            f"cannot lock {machine} in {directory}: {error.strerror}",
            hint="check --state-dir, its permissions, and the space and inodes left there",
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{machine} is owned by {_owner(descriptor)}", hint="end that process first, or wait until it is done") from None
        if not _is(descriptor, directory / LOCK):
            raise Busy(f"{machine} has just been removed", hint="try again")
        with suppress(OSError):
            # A full file system has no room for the name; the lock holds without.
            _sign(descriptor)
        yield directory
    finally:
        os.close(descriptor)


def _is(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """For people only, so it need not be durable: what counts is the lock."""
    command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    text = msgspec.json.encode(Owner(pid=os.getpid(), command=command, since=time.time_ns()))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _owner(descriptor: int) -> str:
    try:
        owner = msgspec.json.decode(os.pread(descriptor, 1 << 16, 0), type=Owner)
    except msgspec.DecodeError:
        # It has the lock and has not signed yet.
        return "another process"
    return f"process {owner.pid} ({owner.command})"
