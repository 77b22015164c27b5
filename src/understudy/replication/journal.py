"""The signature journal: what one point changes in the signature files, durable before the point's record is appended.

Sections are appended as packs are finished; a trailer with a hash over all of them closes the file. A journal without its trailer never
belonged to an attempted append, and may be dropped. One file a point, named by its id.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np

from understudy.durable import remove, sync_directory
from understudy.model import SIGNATURE_SIZE, Extents, Rows, Signatures
from understudy.native.layout import FRAME, KIND_ZERO

MAGIC = b"USJNL\0\1\0"
_SECTION = b"USSECTN\0"
_CLOSED = b"USCLOSED"
_HASH = 32
_CHUNK = 1 << 16  # zero signatures made at a time: 1 MiB


class JournalDisk(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A disk as the point leaves it."""

    id: bytes
    size: int


class Head(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What the journal leads from and to."""

    point: bytes
    parent: bytes
    disks: tuple[JournalDisk, ...]


class Part(NamedTuple):
    """Some blocks of one disk and their new signatures."""

    disk: bytes
    extents: Extents
    signatures: Signatures


@dataclass(slots=True)
class JournalWriter:
    """Being written; OSError from any method means the state directory's disk. There is no file before something is added."""

    path: Path
    head: Head
    _fd: int = -1
    _made: bool = False
    _hash: Any = field(default_factory=lambda: blake2b(digest_size=_HASH))

    def add(self, frames: Rows, signatures: Signatures, disks: tuple[bytes, ...]) -> None:
        """One finished pack: its FRAME rows, the signatures of their non-zero blocks in row order, its table of disks."""
        table = b"".join(disks)
        sizes = np.array([len(table), len(frames), len(signatures)], dtype="<u8").tobytes()
        for part in (_SECTION + sizes + table, frames.tobytes(), np.ascontiguousarray(signatures).tobytes()):
            self._put(part)

    def close(self) -> None:
        """Durable, name and all."""
        self._put(_CLOSED)
        self._put(self._hash.digest())
        os.fsync(self._fd)
        sync_directory(self.path.parent)
        self._let_go()

    def abandon(self) -> None:
        """Also after `close`, whether it failed or not."""
        self._let_go()
        if self._made:
            remove(self.path)

    def _let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _make(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._made = True
        body = msgspec.msgpack.encode(self.head)
        self._put(MAGIC + len(body).to_bytes(8, "little") + body)

    def _put(self, data: bytes) -> None:
        if not self._made:
            self._make()
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]


@dataclass(frozen=True, slots=True)
class Journal:
    """A closed journal."""

    path: Path
    head: Head
    _start: int
    _end: int

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """None if it is absent or was not closed."""
        try:
            with path.open("rb") as file:
                return cls._check(path, file)
        except FileNotFoundError:
            return None

    @classmethod
    def _check(cls, path: Path, file: Any) -> Self | None:
        size = os.fstat(file.fileno()).st_size
        end = size - _HASH - len(_CLOSED)
        if end < 16:
            return None
        digest = blake2b(digest_size=_HASH)
        left = size - _HASH
        while left:
            data = file.read(min(left, 1 << 20))
            if not data:
                return None
            digest.update(data)
            left -= len(data)
        if file.read() != digest.digest():
            return None
        file.seek(0)
        lead = file.read(16)
        if lead[:8] != MAGIC:
            return None
        length = int.from_bytes(lead[8:], "little")
        head = msgspec.msgpack.decode(file.read(length), type=Head)
        return cls(path, head, 16 + length, end)

    def parts(self) -> Iterator[Part]:
        """Every change, a disk of a section at a time; a long zero run comes in pieces."""
        with self.path.open("rb") as file:
            file.seek(self._start)
            while file.tell() < self._end:
                lead = file.read(32)
                table, rows, count = np.frombuffer(lead[8:], dtype="<u8").tolist()
                disks = np.frombuffer(file.read(table), dtype="V16")
                frames = np.frombuffer(file.read(rows * FRAME.itemsize), dtype=FRAME)
                signatures = np.frombuffer(file.read(count * SIGNATURE_SIZE), dtype=np.uint8).reshape(-1, SIGNATURE_SIZE)
                yield from _split(frames, signatures, disks)

    def remove(self) -> None:
        remove(self.path)


def _split(frames: Rows, signatures: Signatures, disks: Rows) -> Iterator[Part]:
    """One Part a disk for data, and pieces of zero signatures for its zero runs."""
    extents = np.stack([frames["first"].astype(np.int64), frames["blocks"].astype(np.int64)], axis=1)
    data = frames["kind"] != KIND_ZERO
    owner = np.repeat(frames["disk"][data], extents[data, 1])
    for index in np.unique(frames["disk"]).tolist():
        disk = disks[index].tobytes()
        mine = frames["disk"] == index
        yield Part(disk, extents[mine & data], signatures[owner == index])
        for first, count in extents[mine & ~data].tolist():
            for start in range(first, first + count, _CHUNK):
                length = min(_CHUNK, first + count - start)
                yield Part(disk, np.array([[start, length]], dtype=np.int64), np.zeros((length, SIGNATURE_SIZE), dtype=np.uint8))
