"""Locks that end with the process that has them, and nothing else ends them.

They belong to the open file, so a process that inherits its descriptor goes on holding the lock; that somebody holds one is seen without
taking it.
"""

import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from understudy.durable import state_directory
from understudy.errors import Busy

_FLOCK = struct.Struct("@hhqqi4x")
_TAKEN = (errno.EAGAIN, errno.EACCES)


def taken(path: Path) -> int | None:
    """A descriptor, not inherited, that has this file's lock; None if another has it. The file is made if missing."""
    with state_directory(path.parent):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _asked(fcntl.F_WRLCK))
        except OSError as error:
            os.close(fd)
            if error.errno in _TAKEN:
                return None
            raise
        except BaseException:
            os.close(fd)
            raise
    return fd


def held(path: Path) -> bool:
    """Whether any process has this file's lock. Takes nothing, so nobody is kept from it."""
    with state_directory(path.parent):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            answer: bytes = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _asked(fcntl.F_WRLCK))
        finally:
            os.close(fd)
    kind: int = _FLOCK.unpack(answer)[0]
    return kind != fcntl.F_UNLCK


@contextlib.contextmanager
def guarded(path: Path, what: str) -> Iterator[None]:
    """`Busy` if another process changes the same thing just now."""
    fd = taken(path)
    if fd is None:
        raise Busy(f"another process is starting or ending {what} just now", hint="wait for it, and look at its state")
    try:
        yield
    finally:
        os.close(fd)


def _asked(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)
