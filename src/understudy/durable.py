"""Making local files survive a power cut."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from understudy.errors import StateFailed

T = TypeVar("T")
NEEDS_ROOM = "the state directory must be writable and not full"
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""A file system that is full, or failed."""


@contextlib.contextmanager
def state_directory(path: Path) -> Iterator[None]:
    """Whatever the operating system refuses in here concerns the state directory: `StateFailed`."""
    try:
        yield
    except (OSError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StateFailed(
            f"the state directory {path} cannot be read or written: {reason}",
            hint="free space or repair its file system; the next cycle goes on from the last committed point",
        ) from error


def may_pass(said: str) -> bool:
    """Whether another program says that a file system was full, or failed."""
    return any(os.strerror(number) in said for number in PASSING)


def sync_directory(path: Path) -> None:
    """A file's name is durable only once its directory is."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(path: Path, data: bytes) -> None:
    """Atomically and durably: after a crash the file is the old one or the new one. `StateFailed` if the disk says no."""
    staged = path.with_name(path.name + ".new")
    try:
        made = [path.parent, *path.parent.parents]
        missing = [directory for directory in made if not directory.exists()]
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(staged, path)
        for directory in {path.parent, *(directory.parent for directory in missing)}:
            sync_directory(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            # Where there is no space its part of it is missed.
            staged.unlink()
        raise StateFailed(f"{path}: {error.strerror or error}", hint=NEEDS_ROOM) from error


def read_record(path: Path, kind: type[T], hint: str) -> T | None:
    """What `write_record` wrote; None if there is nothing. `StateFailed`, with this hint, if it cannot be read: then nothing is known."""
    with state_directory(path.parent):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise StateFailed(f"{path} is not what was written: {error}", hint=hint) from None


def write_record(path: Path, value: msgspec.Struct) -> None:
    """Durable when it returns; for people to read, too."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(value)))


def remove(path: Path) -> None:
    """Unlink if present, durably."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_directory(path.parent)


def write_all(fd: int, data: memoryview, offset: int) -> None:
    """pwrite until done; OSError if the device refuses."""
    while data:
        written = os.pwrite(fd, data, offset)
        data = data[written:]
        offset += written


def read_all(fd: int, into: memoryview, offset: int) -> None:
    """pread until full; EOFError where the file ends before."""
    while into:
        got = os.preadv(fd, [into], offset)
        if not got:
            raise EOFError(offset)
        into = into[got:]
        offset += got
