"""Files and block devices as disks: size, sectors, holes, reading."""

import errno
import fcntl
import os
import stat
import struct
import time
from dataclasses import dataclass

import numpy as np

from understudy import extents as ext
from understudy.errors import SourceBusy, SourceRefused, SourceUnavailable
from understudy.model import BLOCK_SIZE, NO_EXTENTS, Bytes, DiskInfo, Extents, blocks_of
from understudy.qemu.image_locks import written_by_another

BLKSSZGET = 0x1268
"""ioctl: logical sector size of a block device."""

TICK = 0.02
"""Seconds that surely tell two times of modification apart (kernels stamp them at their timer's pace, 1 to 10 ms)."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file is written. Of a device only its size can be known."""

    size: int
    modified: int


@dataclass(slots=True)
class Medium:
    """An open file or block device, with the state that it was in when opened."""

    name: str
    path: str
    descriptor: int
    regular: bool
    info: DiskInfo
    stamp: Stamp

    def close(self) -> None:
        os.close(self.descriptor)

    def check(self) -> None:
        """Raise `SourceBusy` if it was written since it was opened."""
        if _stamp(self.descriptor, self.regular) != self.stamp:
            raise SourceBusy(
                f"{self.path} (disk '{self.name}') was written while it was being read",
                hint="stop what writes to it, or replicate a snapshot of it; a running VM needs its QMP socket",
            )

    def allocated(self) -> Extents:
        """Blocks that are not entirely in holes. All of a device."""
        blocks = blocks_of(self.info.size)
        if not self.regular:
            return ext.whole(blocks)
        try:
            found = self._data()
        except OSError as error:
            raise _unreadable(self.name, self.path, error) from error
        self.check()
        return found

    def read(self, extents: Extents, buffer: Bytes) -> None:
        """Fill `buffer` with the extents' blocks; bytes after the disk's end are zero."""
        position = 0
        for first, count in ext.union(extents).tolist():
            offset, length = first * BLOCK_SIZE, count * BLOCK_SIZE
            part = buffer[position : position + length]
            inside = max(min(self.info.size - offset, length), 0)
            self._fill(offset, part[:inside])
            part[inside:] = 0
            position += length
        self.check()

    def _fill(self, offset: int, part: Bytes) -> None:
        view, done = part.data, 0
        while done < len(view):
            try:
                got = os.preadv(self.descriptor, [view[done:]], offset + done)
            except OSError as error:
                raise _unreadable(self.name, self.path, error) from error
            if not got:
                self.check()
                raise SourceUnavailable(f"{self.path} (disk '{self.name}') ends at {offset + done}, before its size of {self.info.size}")
            done += got

    def _data(self) -> Extents:
        found, position = [], 0
        while position < self.info.size:
            try:
                start = os.lseek(self.descriptor, position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break
                raise
            position = os.lseek(self.descriptor, start, os.SEEK_HOLE)
            found.append((start, position))
        if not found:
            return NO_EXTENTS
        rows = np.array(found, dtype=np.int64)
        first = rows[:, 0] // BLOCK_SIZE
        return ext.union(np.stack([first, -(-rows[:, 1] // BLOCK_SIZE) - first], axis=1))


def open_medium(name: str, path: str) -> Medium:
    """Open for reading. Raises `SourceUnavailable`, or `SourceRefused` for what is no disk or is in use."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(name, path, error) from error
    try:
        return _described(name, path, descriptor)
    except OSError as error:
        os.close(descriptor)
        raise _unreadable(name, path, error) from error
    except BaseException:
        os.close(descriptor)
        raise


def _described(name: str, path: str, descriptor: int) -> Medium:
    mode = os.fstat(descriptor).st_mode
    regular = stat.S_ISREG(mode)
    if not regular and not stat.S_ISBLK(mode):
        raise SourceRefused(f"{path} (disk '{name}') is neither a file nor a block device")
    if written_by_another(descriptor):
        # Of a device nothing else would tell that it was written meanwhile.
        raise SourceRefused(
            f"{path} (disk '{name}') is in use: a running VM or another program holds QEMU's lock on it",
            hint="protect the VM by its QMP socket (--qmp), or shut it down first",
        )
    sector = 512
    if not regular:
        _refuse_in_use(name, path)
        (sector,) = struct.unpack("i", fcntl.ioctl(descriptor, BLKSSZGET, struct.pack("i", 0)))
    stamp = _stamp(descriptor, regular)
    if regular and time.time() - stamp.modified / 1e9 < TICK:
        # A write in the same tick would not show.
        time.sleep(TICK)
        stamp = _stamp(descriptor, regular)
    if stamp.size == 0:
        raise SourceRefused(f"{path} (disk '{name}') is empty", hint="a disk has at least one byte")
    return Medium(name, path, descriptor, regular, DiskInfo(name, stamp.size, sector), stamp)


def _refuse_in_use(name: str, path: str) -> None:
    """An exclusive open fails where the kernel itself uses a device: mounted, part of an array or a volume group, swap."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_EXCL))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise SourceRefused(
            f"{path} (disk '{name}') is in use by this host (mounted, or part of something else)",
            hint="unmount it, or replicate a snapshot of it",
        ) from error


def _stamp(descriptor: int, regular: bool) -> Stamp:
    if regular:
        state = os.fstat(descriptor)
        return Stamp(state.st_size, state.st_mtime_ns)
    return Stamp(os.lseek(descriptor, 0, os.SEEK_END), 0)


def _unreadable(name: str, path: str, error: OSError) -> SourceUnavailable:
    return SourceUnavailable(f"{path} (disk '{name}') cannot be read: {error.strerror}", hint="check the path and its permissions")
