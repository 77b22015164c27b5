"""What is written beside a point's disk: a sparse file of whole blocks, and a record of which they are.

Order is all: a block's bytes are durable before the record says that it is here, and the record before a flush is answered. Cut off at any
moment, every block is as of the last flush, or as written since; killed, all that was answered is there.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import numpy as np

from understudy import extents as ext
from understudy.durable import read_all, sync_directory, write_all
from understudy.errors import Busy
from understudy.finish import finish_in_thread
from understudy.model import BLOCK_SIZE, Bytes, BytesLike, Extents, blocks_of
from understudy.recovery.export.marks import Marks, Whose
from understudy.recovery.export.ranges import Ranges
from understudy.recovery.linux import punch_hole

ZEROS = 1 << 20


class Below(Protocol):
    """What an overlay lies on."""

    @property
    def size(self) -> int: ...

    async def data(self, first: int, blocks: int) -> Extents: ...

    async def read(self, offset: int, length: int) -> Bytes | None: ...


class Overlay:
    """Files in `directory` named by the disk's id, made if missing. Everything raises `OSError` as the file system does."""

    def __init__(self, directory: Path, base: Below, whose: Whose) -> None:
        """`Conflict` if it lies on another disk or point. Blocks the caller."""
        self._base = base
        self._size = base.size
        self._ranges = Ranges()
        self._flushing = asyncio.Lock()
        self._broken = ""
        data, durable, live = files_of(directory, whose.disk)
        self._fd = os.open(data, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(self._fd, data)
            self._marks = Marks(durable, live, whose)
        except BaseException:
            os.close(self._fd)
            raise
        try:
            os.ftruncate(self._fd, blocks_of(base.size) * BLOCK_SIZE)
            os.fsync(self._fd)
            sync_directory(directory)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._marks.close()
        os.close(self._fd)

    @property
    def size(self) -> int:
        return self._size

    def here(self, first: int, blocks: int) -> Extents:
        """The blocks of a range that were written, durable or not."""
        return self._marks.within(first, blocks)

    async def read(self, offset: int, length: int) -> Bytes | None:
        first, end = offset // BLOCK_SIZE, blocks_of(offset + length)
        here = self._marks.within(first, end - first)
        if not len(here):
            return await self._base.read(offset, length)
        out = np.zeros(length, dtype=np.uint8)
        for low, high in _bytes(ext.difference(np.array([[first, end - first]], dtype=np.int64), here), offset, offset + length):
            data = await self._base.read(low, high - low)
            if data is not None:
                out[low - offset : high - offset] = data

        def fill() -> None:
            for low, high in _bytes(here, offset, offset + length):
                read_all(self._fd, out.data[low - offset : high - offset], low)

        await finish_in_thread(fill)
        return out

    async def data(self, first: int, blocks: int) -> Extents:
        """Blocks of a range that are not known to be zero."""
        here = self._marks.within(first, blocks)
        below = await self._base.data(first, blocks)
        return ext.union(ext.difference(below, here), await finish_in_thread(lambda: self._allocated(here)))

    async def write(self, offset: int, data: BytesLike) -> None:
        view = (data.data if isinstance(data, np.ndarray) else memoryview(data)).cast("B")
        first, end = offset // BLOCK_SIZE, blocks_of(offset + len(view))
        async with self._ranges.hold(first, end):
            before = await self._edge(first, offset)
            after = await self._edge(end - 1, offset + len(view), to_end=True)

            def store() -> None:
                write_all(self._fd, before.data, offset - len(before))
                write_all(self._fd, view, offset)
                write_all(self._fd, after.data, offset + len(view))

            await finish_in_thread(store)
            self._marks.add(np.array([[first, end - first]], dtype=np.int64))

    async def write_zeroes(self, offset: int, length: int, *, punch: bool) -> None:
        head, first, end, tail = self._whole(offset, length)
        if head:
            await self.write(offset, bytes(head))
        if tail:
            await self.write(offset + length - tail, bytes(tail))
        if first < end:
            await self._zero(first, end, punch=punch)

    async def trim(self, offset: int, length: int) -> None:
        """Blocks that lie in the range as a whole read as zero from now on, and take no space."""
        _, first, end, _ = self._whole(offset, length)
        if first < end:
            await self._zero(first, end, punch=True)

    async def flush(self) -> None:
        async with self._flushing:
            if self._broken:
                # What the kernel could not write once it may have dropped, and say nothing the next time.
                raise OSError(errno.EIO, f"the overlay could not be made durable before: {self._broken}")
            # Only what was marked before the blocks are synced: a mark that comes meanwhile is for the next flush.
            taken = self._marks.take()

            def sync() -> None:
                os.fdatasync(self._fd)
                self._marks.save(taken)

            try:
                await finish_in_thread(sync)
            except OSError as error:
                self._broken = error.strerror or str(error)
                raise

    async def _edge(self, block: int, at: int, *, to_end: bool = False) -> Bytes:
        """What a write must carry along of a block that it does not cover and that is not here: its bytes before (or after) `at`."""
        start, end = (at, min((block + 1) * BLOCK_SIZE, self._size)) if to_end else (block * BLOCK_SIZE, at)
        if start >= end or len(self._marks.within(block, 1)):
            return np.empty(0, dtype=np.uint8)
        data = await self._base.read(start, end - start)
        return np.zeros(end - start, dtype=np.uint8) if data is None else data

    async def _zero(self, first: int, end: int, *, punch: bool) -> None:
        async with self._ranges.hold(first, end):
            here = self._marks.within(first, end - first)
            # Where nothing is, nothing need be said.
            wanted = ext.union(here, await self._base.data(first, end - first)) if punch else np.array([[first, end - first]])

            def clear() -> None:
                for low, blocks in wanted.tolist():
                    start, length = low * BLOCK_SIZE, blocks * BLOCK_SIZE
                    if not punch_hole(self._fd, start, length):
                        for at in range(start, start + length, ZEROS):
                            write_all(self._fd, memoryview(bytes(min(ZEROS, start + length - at))), at)
                    elif not punch:
                        os.posix_fallocate(self._fd, start, length)

            await finish_in_thread(clear)
            self._marks.add(wanted)

    def _whole(self, offset: int, length: int) -> tuple[int, int, int, int]:
        """Bytes before the first whole block, the whole blocks, and bytes after the last. The disk's short last block is one."""
        stop = offset + length
        first = blocks_of(offset)
        end = blocks_of(stop) if stop == self._size else stop // BLOCK_SIZE
        if first >= end:
            return length, first, first, 0
        return first * BLOCK_SIZE - offset, first, end, max(stop - end * BLOCK_SIZE, 0)

    def _allocated(self, here: Extents) -> Extents:
        """Of blocks that are here those that take space. Blocks the caller."""
        found: list[tuple[int, int]] = []
        for first, blocks in here.tolist():
            at, stop = first * BLOCK_SIZE, (first + blocks) * BLOCK_SIZE
            while at < stop:
                try:
                    at = os.lseek(self._fd, at, os.SEEK_DATA)
                except OSError as error:
                    if error.errno != errno.ENXIO:
                        raise
                    break
                if at >= stop:
                    break
                end = min(os.lseek(self._fd, at, os.SEEK_HOLE), stop)
                found.append((at // BLOCK_SIZE, blocks_of(end) - at // BLOCK_SIZE))
                at = end
        return ext.union(np.array(found, dtype=np.int64).reshape(-1, 2))


def discard_overlays(directory: Path, disks: Iterable[str]) -> None:
    """Delete what was written to these disks (ids in hex); `Busy`, and nothing deleted, if one is in use. Blocks the caller."""
    with ExitStack() as locks:
        files = [files_of(directory, disk) for disk in disks]
        for data, _, _ in files:
            with contextlib.suppress(FileNotFoundError):
                fd = os.open(data, os.O_RDWR | os.O_CLOEXEC)
                locks.callback(os.close, fd)
                _lock(fd, data)
        for data, durable, live in files:
            # The marks first: blocks without them are nothing, and marks without their blocks say zeros.
            for path in (live, durable, data):
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()


def _lock(fd: int, path: Path) -> None:
    """An export of another name may have been given the same directory."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Busy(f"{path} is in use by another export", hint="`understudy exports` shows which; give each a directory") from None


def files_of(directory: Path, disk: str) -> tuple[Path, Path, Path]:
    """Blocks of a disk (id in hex), which of them are durable, and which are there."""
    return directory / f"{disk}.data", directory / f"{disk}.map", directory / f"{disk}.live"


def _bytes(extents: Extents, low: int, high: int) -> list[tuple[int, int]]:
    """Begin and end in bytes, cut to a range."""
    return [
        (max(first * BLOCK_SIZE, low), min((first + blocks) * BLOCK_SIZE, high))
        for first, blocks in extents.tolist()
        if first * BLOCK_SIZE < high and (first + blocks) * BLOCK_SIZE > low
    ]
