"""Raw files and block devices, read and written in threads with large positioned calls."""

import asyncio
import errno
import os
import stat
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from understudy import extents as ext
from understudy import meminfo
from understudy.errors import TargetFailed
from understudy.model import BLOCK_SIZE, Bytes, Extents, blocks_of
from understudy.recovery import linux
from understudy.recovery.failure import target_failed
from understudy.recovery.image_lock import lock_image
from understudy.recovery.past_cache import PastCache
from understudy.recovery.protocol import Resizing, unminded

T = TypeVar("T")

THREADS = 4
_ZEROES = memoryview(bytes(1 << 20))


class RawTarget:
    """An open raw file or block device; see the Protocol `Target`."""

    def __init__(self, fd: int, path: Path, size: int, *, device: bool, keep: int = 0) -> None:
        self.size = size
        self.path = path
        self._fd = fd
        self._device = device
        self._past_cache = PastCache(fd)
        self._keep = keep
        self._kept = 0
        self._reads_past = True
        # Owned, so that close can wait for calls whose awaiting task is gone: a descriptor closed under them might be reused.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="target")
        self._closed = False

    @classmethod
    def open(
        cls, path: Path, size: int, sector: int, *, resize: bool, resizing: Resizing = unminded, read_back: bool = False
    ) -> "RawTarget":
        """An existing file or device. `resize`: a file of another size is ours to cut or extend; an empty one always is. `read_back`: all
        that is written will be read soon, and stays in the page cache as far as half of the memory that is available goes.
        """
        try:
            device = stat.S_ISBLK(os.stat(path).st_mode)
            # On a device O_EXCL means: not while a mounted file system, a volume group or an array has it.
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if device else 0))
        except FileNotFoundError as error:
            raise _taken_away(path) from error
        except OSError as error:
            raise target_failed(path, "opening it", error) from error
        try:
            lock_image(fd, path)
            if not os.path.samestat(os.fstat(fd), os.stat(path)):
                raise FileNotFoundError(path)
            if device:
                _check_device(fd, path, size, sector)
            else:
                _check_file(fd, path, size, resize, resizing)
        except FileNotFoundError as error:
            os.close(fd)
            raise _taken_away(path) from error
        except OSError as error:
            os.close(fd)
            raise target_failed(path, "preparing it", error) from error
        except BaseException:
            os.close(fd)
            raise
        return cls(fd, path, size, device=device, keep=meminfo.available() // 2 if read_back else 0)

    async def _call(self, doing: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            raise target_failed(self.path, doing, error) from error

    async def allocated(self) -> Extents:
        found = await self._call("finding its holes", self._allocated)
        # What is in the cache since we wrote it is read from there; all else as the disk has it: once writing a page back has failed, the
        # cache still holds it for another process to read, as if the disk did.
        self._reads_past = 2 * self._kept <= ext.total(found) * BLOCK_SIZE
        if self._reads_past:
            await self._call("reading", lambda: os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED))
        return found

    def _allocated(self) -> Extents:
        if self._device:
            return ext.whole(blocks_of(self.size))
        found = array("q")  # of ten million holes 160 MB; as tuples they would be ten times that
        end = 0
        while end < self.size:
            try:
                start = os.lseek(self._fd, end, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break
                raise
            end = min(os.lseek(self._fd, start, os.SEEK_HOLE), self.size)
            first = start // BLOCK_SIZE
            if start < end:
                found.extend((first, blocks_of(end) - first))
        return ext.union(np.frombuffer(found, dtype=np.int64).reshape(-1, 2))

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        await self._call("reading", lambda: self._read(extents, buffer))

    def _read(self, extents: Extents, buffer: Bytes) -> None:
        view = buffer.data
        for first, count in extents.tolist():
            offset, length = first * BLOCK_SIZE, count * BLOCK_SIZE
            inside = max(0, min(length, self.size - offset))
            # The last page of a file past the cache, too: it is read as if there were more.
            done = self._past_cache.read(view[:length], offset) if inside and self._reads_past else 0
            self._read_at(offset + done, view[done:inside])
            view[inside:length] = bytes(length - inside)
            view = view[length:]

    def _read_at(self, offset: int, view: memoryview) -> None:
        while view:
            got = os.preadv(self._fd, [view], offset)
            if not got:
                raise OSError(errno.EIO, "it ends before its size: something else has cut it")
            offset += got
            view = view[got:]

    async def write(self, extents: Extents, data: Bytes) -> None:
        keep = self._kept + len(data) <= self._keep
        self._kept += len(data) if keep else 0
        await self._call("writing", lambda: self._write(extents, data, keep))

    def _write(self, extents: Extents, data: Bytes, keep: bool) -> None:
        view = data.data
        at = 0
        for first, count in extents.tolist():
            length = count * BLOCK_SIZE
            self._write_at(first * BLOCK_SIZE, view[at : at + length], keep=keep)
            at += length
        if keep and at:
            # A restore of 4 GiB with 2.8 of data took 3.9 s, and 4.8 where the disk began when it was flushed.
            start, end = int(extents[:, 0].min()), int(extents.sum(axis=1).max())
            linux.begin_writing(self._fd, start * BLOCK_SIZE, (end - start) * BLOCK_SIZE)

    def _write_at(self, offset: int, view: memoryview, *, keep: bool = False) -> None:
        view = view[: max(0, self.size - offset)]
        past = 0 if keep else self._past_cache.write(view, offset)
        offset, view = offset + past, view[past:]
        while view:
            done = os.pwritev(self._fd, [view], offset)
            offset += done
            view = view[done:]

    async def write_zeroes(self, extents: Extents) -> None:
        await self._call("zeroing", lambda: self._zero(extents))

    def _zero(self, extents: Extents) -> None:
        for first, count in extents.tolist():
            start = first * BLOCK_SIZE
            end = min(start + count * BLOCK_SIZE, self.size)
            # A device takes whole sectors only; what is left of a disk that ends inside one is written.
            whole = end - end % BLOCK_SIZE if self._device else end
            if start < whole and not linux.punch_hole(self._fd, start, whole - start):
                if self._device:
                    linux.device_zero(self._fd, start, whole - start)
                else:
                    whole = start
            for offset in range(whole, end, len(_ZEROES)):
                self._write_at(offset, _ZEROES[: end - offset])

    async def seal(self) -> None:
        await self._call("flushing", lambda: os.fsync(self._fd))

    async def reopen(self) -> None:
        """Nothing to do: reading and writing go through the same descriptor."""

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._threads.shutdown)
            self._past_cache.close()
            os.close(self._fd)


def _taken_away(path: Path) -> TargetFailed:
    """What was waited for has got its name, or was replaced: it is somebody else's now."""
    return TargetFailed(f"{path} was taken away meanwhile", hint="another restore to it has ended: repeat the command")


def _check_file(fd: int, path: Path, size: int, resize: bool, resizing: Resizing) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise TargetFailed(f"{path} is neither a file nor a block device", hint="name a file or a block device")
    if status.st_size == size:
        return
    if status.st_size and not resize:
        raise not_this_disk(path, status.st_size, size)
    resizing()
    os.ftruncate(fd, size)


def not_this_disk(path: Path, there: int, size: int) -> TargetFailed:
    return TargetFailed(
        f"{path} has {there} bytes, the disk {size}: it is not an image of this disk",
        hint="name another target, or say that it is a qcow2 image, if it is one (--format qcow2)",
    )


def _check_device(fd: int, path: Path, size: int, sector: int) -> None:
    capacity, device_sector = linux.device_size(fd), linux.device_sector(fd)
    if capacity < size:
        raise TargetFailed(f"{path} has {capacity} bytes, the disk needs {size}", hint="name a device that is large enough")
    if device_sector > sector:
        raise TargetFailed(
            f"{path} has sectors of {device_sector} bytes, the disk of {sector}: a guest would not find its partitions",
            hint="name a device with smaller sectors, or restore to a file",
        )
