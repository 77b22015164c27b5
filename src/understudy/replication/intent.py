"""An initial replication under way, in a file of its own: what is uploaded, where its reading stands, since when changes are tracked.

A small log: a head, then an entry for each slice, each durable before anything relies on it. Whatever is wrong with its end is cut off:
an entry without its checksum never counted. With the file lost the initial replication begins anew, and nothing but its uploads is lost.
"""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Self

import msgspec

from understudy.durable import remove, sync_directory, write_all
from understudy.vault.kinds import PackRef, PointDisk, PointStats

MAGIC = b"USINTNT\0\1\0"
_CHECKSUM = 16


class IntentHead(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Whose it is."""

    vault: bytes
    machine: bytes
    key: bytes
    """Fingerprint of the signature secret."""
    id: bytes
    """The intent's, as in its record in the log."""


class Slice(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Some more of the disks is uploaded: laid on the slices before it, its packs hold what the signature files tell at `id`."""

    id: bytes
    track: bytes
    """The source tracks changes under this id, from before anything in front of `upto` was read; empty: it does not track any."""
    disks: tuple[PointDisk, ...]
    """With the digests of what is uploaded up to now."""
    upto: tuple[int, ...]
    """For each disk the block in front of which all has been read."""
    packs: tuple[PackRef, ...]
    """This slice's own."""
    elsewhere: bool
    """Its packs went to another store and must be brought into the vault before there can be a point."""
    stats: PointStats


@dataclass(slots=True)
class IntentFile:
    """Open for appending. Methods block; OSError means the state directory's disk."""

    path: Path
    head: IntentHead
    tip: Slice | None = None
    """The newest slice."""
    packs: list[PackRef] = field(default_factory=list)
    """Of all slices, oldest first."""
    stats: PointStats = field(default_factory=PointStats)
    elsewhere: bool = False
    """Whether any slice's packs went to another store."""
    _fd: int = -1
    _end: int = 0

    @classmethod
    def create(cls, path: Path, head: IntentHead) -> Self:
        """Durable when this returns; in the place of any older one."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove(path)
        file = cls(path, head, _fd=os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            file._put(MAGIC + _framed(msgspec.msgpack.encode(head)))
            sync_directory(path.parent)
        except BaseException:
            file.discard()
            raise
        return file

    @classmethod
    def open(cls, path: Path, vault: bytes, machine: bytes, key: bytes) -> Self | None:
        """None if there is no file, or it is of something else, or its head does not prove itself."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        data = os.pread(fd, os.fstat(fd).st_size, 0)
        found = _entry(data, len(MAGIC)) if data.startswith(MAGIC) else None
        head = None if found is None else msgspec.msgpack.decode(found, type=IntentHead)
        if found is None or head is None or (head.vault, head.machine, head.key) != (vault, machine, key):
            os.close(fd)
            return None
        file = cls(path, head, _fd=fd, _end=len(MAGIC) + len(_framed(found)))
        while (found := _entry(data, file._end)) is not None:
            file._take(msgspec.msgpack.decode(found, type=Slice))
            file._end += len(_framed(found))
        os.ftruncate(fd, file._end)
        return file

    def append(self, slice_: Slice) -> None:
        """Durable when this returns. When it raises, the entry does not count, unless a crash brings it back; then it is true as well."""
        try:
            self._put(_framed(msgspec.msgpack.encode(slice_)))
        except BaseException:
            os.ftruncate(self._fd, self._end)
            raise
        self._take(slice_)

    def discard(self) -> None:
        """The initial replication is over, or given up."""
        self.close()
        remove(self.path)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _put(self, data: bytes) -> None:
        write_all(self._fd, memoryview(data), self._end)
        os.fsync(self._fd)
        self._end += len(data)

    def _take(self, slice_: Slice) -> None:
        self.tip = slice_
        self.packs.extend(slice_.packs)
        self.stats = added(self.stats, slice_.stats)
        self.elsewhere |= slice_.elsewhere


def added(a: PointStats, b: PointStats) -> PointStats:
    return PointStats(
        scanned=a.scanned + b.scanned,
        changed=a.changed + b.changed,
        zero=a.zero + b.zero,
        stored=a.stored + b.stored,
        seconds=a.seconds + b.seconds,
    )


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "little") + body + blake2b(body, digest_size=_CHECKSUM).digest()


def _entry(data: bytes, at: int) -> bytes | None:
    """The entry that starts at `at`; None if there is none, or not all of it."""
    body = data[at + 4 : at + 4 + int.from_bytes(data[at : at + 4], "little")]
    end = at + 4 + len(body) + _CHECKSUM
    return body if body and len(data) >= end and _framed(body) == data[at:end] else None
