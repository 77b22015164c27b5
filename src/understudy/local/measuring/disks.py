"""How fast a disk is read, and a state directory flushed. Scratch files have no name: nothing is left of them, whoever is killed."""

import errno
import itertools
import mmap
import os
import random
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from understudy.engine.capacity import Latency, Reading
from understudy.errors import InvalidRequest, SourceUnavailable, StateFailed
from understudy.local.measuring.timing import Patience
from understudy.model import BLOCK_SIZE, Bytes

MIB = 1 << 20
SCRATCH = 64 * MIB
"""Bytes that are written where no disk is named."""
SAMPLE = 16 * MIB
"""Bytes that are encoded at once, as a cycle does."""
AT_ONCE = 4
SCATTERED = 64 << 10
"""Bytes of a read, as tracking counts changes."""
SYNCS = 100


class OpenDisk:
    """`size` bytes, read past the host's cache where its file system lets us."""

    def __init__(self, path: str, fd: int, size: int, *, direct: bool) -> None:
        self.path = path
        self.direct = direct
        self.size = size
        self._fd = fd

    def read(self, buffer: mmap.mmap, start: int, length: int) -> int:
        with memoryview(buffer) as view, view[:length] as part:
            got = os.preadv(self._fd, [part], start)
        if not self.direct:
            os.posix_fadvise(self._fd, start, length, os.POSIX_FADV_DONTNEED)
        return got


@contextmanager
def opened(disk: str | None, state: Path) -> Iterator[OpenDisk]:
    """The disk, for reading; or a scratch file on the state directory's file system."""
    if disk is None:
        with _scratch(state) as fd:
            _filled(fd, SCRATCH)
            # Its descriptor's own name in /proc is the only one that it has.
            yield _direct(f"/proc/self/fd/{fd}", fd, f"a scratch file in {_there(state)}")
        return
    try:
        fd = os.open(disk, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceUnavailable(f"{disk} cannot be read: {error.strerror}", hint="name a disk image or a block device") from None
    try:
        mode = os.fstat(fd).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
            raise InvalidRequest(f"{disk} is no disk", hint="name a disk image or a block device")
        found = _direct(disk, fd, disk)
        if found.size < MIB:
            raise InvalidRequest(f"{disk} is too small to tell anything", hint="name one of a MiB at least")
        yield found
    finally:
        os.close(fd)


def reading(disk: OpenDisk, patience: Patience, seconds: float) -> Reading:
    turns = itertools.count()
    whole = disk.size // MIB

    def in_sequence(buffer: mmap.mmap) -> int:
        return disk.read(buffer, next(turns) % whole * MIB, MIB)

    def scattered(buffer: mmap.mmap) -> int:
        return disk.read(buffer, random.randrange(disk.size // SCATTERED) * SCATTERED, SCATTERED)

    buffers = [mmap.mmap(-1, MIB) for _ in range(AT_ONCE)]
    try:
        return Reading(
            path=disk.path,
            in_sequence=patience.rate(seconds / 2, [partial(in_sequence, buffer) for buffer in buffers]),
            scattered=patience.rate(seconds / 2, [partial(scattered, buffer) for buffer in buffers]),
            direct=disk.direct,
        )
    except OSError as error:
        raise SourceUnavailable(f"{disk.path} cannot be read: {error.strerror}") from None
    finally:
        for buffer in buffers:
            buffer.close()


def sample(disk: OpenDisk) -> Bytes | None:
    """What is on it, here and there, without blocks of zeros; None if that is too little to tell anything."""
    piece = 256 << 10
    found: list[Bytes] = []
    with mmap.mmap(-1, piece) as buffer:
        for number in range(2 * SAMPLE // piece):
            start = disk.size // BLOCK_SIZE * number // (2 * SAMPLE // piece) * BLOCK_SIZE
            got = disk.read(buffer, start, piece) // BLOCK_SIZE * BLOCK_SIZE
            blocks = np.frombuffer(buffer[:got], np.uint8).reshape(-1, BLOCK_SIZE)
            found.append(blocks[blocks.any(axis=1)])
    whole = np.concatenate(found).reshape(-1)[:SAMPLE]
    return whole if len(whole) >= MIB else None


def syncing(state: Path, patience: Patience, seconds: float) -> Latency:
    """Writing a block and waiting until it is durable."""
    with _scratch(state) as fd:
        content = os.urandom(BLOCK_SIZE)

        def write() -> None:
            os.pwrite(fd, content, 0)
            os.fsync(fd)

        return patience.latency(seconds, SYNCS, write)


def _direct(path: str, fd: int, name: str) -> OpenDisk:
    size = os.lseek(fd, 0, os.SEEK_END)
    try:
        straight = os.open(path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOENT):
            raise SourceUnavailable(f"{name} cannot be read: {error.strerror}") from None
        return OpenDisk(name, fd, size, direct=False)
    os.dup2(straight, fd)
    os.close(straight)
    return OpenDisk(name, fd, size, direct=True)


@contextmanager
def _scratch(state: Path) -> Iterator[int]:
    directory = _there(state)
    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            yield file.fileno()
    except OSError as error:
        hint = f"it takes {SCRATCH // MIB} MiB of its file system"
        raise StateFailed(f"no scratch file can be written in {directory}: {error.strerror}", hint=hint) from None


def _filled(fd: int, size: int) -> None:
    content = os.urandom(MIB)
    for start in range(0, size, MIB):
        os.pwrite(fd, content, start)
    os.fsync(fd)


def _there(state: Path) -> Path:
    """The state directory, or the nearest one above it that is there."""
    return next(directory for directory in (state, *state.parents) if directory.is_dir())
