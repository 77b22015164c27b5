"""Making local files survive a power cut."""

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """A file's name is durable only once its directory is."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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
