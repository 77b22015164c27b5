"""The signature of every block of one disk, as of one committed point, in a sparse local file.

A cache: whatever is wrong with it, it is rebuilt from the vault. What it must never do is lie, so its header names the point that it is
exact for, and is rewritten only after the signatures are durable. One 4 KiB header, then 16 bytes a block.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from understudy import extents as ext
from understudy.durable import read_all, sync_directory, write_all
from understudy.model import NO_EXTENTS, SIGNATURE_SIZE, Extents, Signatures, blocks_of
from understudy.native import blockhash

MAGIC = b"USSIG\0\1\0"
HEADER_SIZE = 4096
HEADER_LIMIT = 512  # one sector, so that a torn write leaves the old header, the new one, or a bad checksum
NEW = ".new"
_CHECKSUM = 32
_PAGE = 4096 // SIGNATURE_SIZE  # blocks whose signatures share a page of the file
_CHUNK = 1 << 16  # blocks moved at a time by whole-file passes: 1 MiB


class Header(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What the file is exact for."""

    vault: bytes
    machine: bytes
    disk: bytes
    key: bytes
    """Fingerprint of the signature secret."""
    point: bytes
    size: int
    """The disk's bytes."""


def fingerprint(secret: bytes) -> bytes:
    """Tells one signature secret from another without giving it away."""
    return blake2b(secret, digest_size=16, person=b"us-sig-key").digest()


@dataclass(slots=True)
class SignatureFile:
    """An open signature file. Methods block; OSError means the state directory's disk, and leaves the header as it was."""

    path: Path
    header: Header
    _fd: int

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """None if there is no file or its header does not prove itself."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        header = _parse(os.pread(fd, HEADER_LIMIT, 0))
        if header is None or os.fstat(fd).st_size != HEADER_SIZE + blocks_of(header.size) * SIGNATURE_SIZE:
            os.close(fd)
            return None
        return cls(path, header, fd)

    @classmethod
    def begin(cls, path: Path, header: Header) -> Self:
        """Make the file anew beside an older one: all zero until `write`, and nothing at all until `finish`."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(path.name + NEW)
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, HEADER_SIZE + blocks_of(header.size) * SIGNATURE_SIZE)
        except BaseException:
            os.close(fd)
            fresh.unlink()
            raise
        return cls(path, header, fd)

    def finish(self) -> None:
        """Durable, and in the place of the older file."""
        os.pwrite(self._fd, _render(self.header), 0)
        os.fsync(self._fd)
        self.path.with_name(self.path.name + NEW).rename(self.path)
        sync_directory(self.path.parent)

    def discard(self) -> None:
        """After `begin`, instead of `finish`."""
        self.close()
        self.path.with_name(self.path.name + NEW).unlink(missing_ok=True)

    @property
    def blocks(self) -> int:
        return blocks_of(self.header.size)

    def close(self) -> None:
        os.close(self._fd)

    def read(self, extents: Extents) -> Signatures:
        """The signatures of the extents' blocks, in order; blocks past the end of the disk have none and read as zero."""
        if len(extents) > 1 and (extents[1:, 0] > extents[:-1, 0]).all():
            base, end = int(extents[0, 0]), int(extents[-1].sum())
            # At most a page for each extent: one read costs less than many.
            if end <= self.blocks and end - base <= _PAGE * len(extents):
                around = self.read(np.array([[base, end - base]], dtype=np.int64))
                return np.take(around, ext.block_numbers(extents) - base, axis=0)
        out = np.zeros((ext.total(extents), SIGNATURE_SIZE), dtype=np.uint8)
        row = 0
        for first, count in extents.tolist():
            inside = min(count, self.blocks - first)
            if inside > 0:
                read_all(self._fd, out[row : row + inside].data.cast("B"), _offset(first))
            row += count
        return out

    def populated(self) -> Extents:
        """Extents outside which every signature is certainly zero: the file's holes tell."""
        end = HEADER_SIZE + self.blocks * SIGNATURE_SIZE
        found: list[tuple[int, int]] = []
        position = HEADER_SIZE
        while position < end:
            try:
                start = os.lseek(self._fd, position, os.SEEK_DATA)
            except OSError:  # ENXIO: no data up to the end
                break
            position = os.lseek(self._fd, start, os.SEEK_HOLE)
            first = max(0, (start - HEADER_SIZE) // SIGNATURE_SIZE)
            last = min(self.blocks, -(-(position - HEADER_SIZE) // SIGNATURE_SIZE))
            if last > first:
                found.append((first, last - first))
        return np.array(found, dtype=np.int64) if found else NO_EXTENTS

    def outside(self, extents: Extents) -> Extents:
        """Every block outside of `extents` whose signature is not zero. Of what is inside no signature is read."""
        found = [NO_EXTENTS]
        for unit in ext.units(self.populated(), _CHUNK, _CHUNK):
            base, end = int(unit[0, 0]), int(unit[-1].sum())
            left = ext.difference(unit, ext.within(extents, base, end - base))
            if len(left):
                found.append(ext.runs(np.any(self.read(left), axis=1), left))
        return ext.union(*found)

    def digest_beyond(self, blocks: int, secret: Signatures) -> int:
        """What the blocks from number `blocks` on contribute to the disk's digest: to be subtracted when the disk shrinks."""
        if blocks >= self.blocks:
            return 0
        total = 0
        for unit in ext.units(ext.after(self.populated(), blocks), _CHUNK, _CHUNK):
            total += blockhash.digest(unit, self.read(unit), secret)
        return total % (1 << 128)

    def advance(self, header: Header, replay: Callable[["SignatureFile"], None]) -> None:
        """Become exact for `header.point`: `replay` writes (see `write`), then the header follows. Repeatable after a crash at any step."""
        os.ftruncate(self._fd, HEADER_SIZE + blocks_of(header.size) * SIGNATURE_SIZE)
        before = self.header
        self.header = header
        try:
            replay(self)
            os.fdatasync(self._fd)
            os.pwrite(self._fd, _render(header), 0)
            os.fdatasync(self._fd)
        except BaseException:
            self.header = before
            raise

    def follow(self, header: Header) -> None:
        """Nothing changed up to `header.point`: exact for that, too. Not durable, and need not be: after a power cut the older header
        is as true, and the log tells that nothing changed."""
        os.pwrite(self._fd, _render(header), 0)
        self.header = header

    def write(self, extents: Extents, signatures: Signatures) -> None:
        """Set signatures: between `begin` and `finish`, or in `advance`'s replay. Extents may come in any order but do not overlap."""
        if not len(extents):
            return
        counts = extents[:, 1]
        if (extents[1:, 0] < extents[:-1, 0]).any():
            order = np.argsort(extents[:, 0], kind="stable")
            rows = np.stack([np.cumsum(counts) - counts, counts], axis=1)[order]
            extents, counts, signatures = extents[order], counts[order], np.take(signatures, ext.block_numbers(rows), axis=0)
        first, ends = extents[:, 0], np.cumsum(counts)
        data = np.ascontiguousarray(signatures).data.cast("B")
        # Blocks less than a page of signatures apart are patched with one read and one write.
        opens = np.concatenate([[True], first[1:] - (first + counts)[:-1] >= _PAGE])
        groups = np.flatnonzero(opens)
        lasts = np.append(groups[1:], len(first)) - 1
        # Plain numbers: of a million scattered blocks each is a group.
        columns = (groups, lasts, first[groups], first[lasts] + counts[lasts], ends[groups] - counts[groups], ends[lasts])
        for low, last, base, end, start, stop in zip(*(column.tolist() for column in columns), strict=True):
            if low == last:
                write_all(self._fd, data[start * SIGNATURE_SIZE : stop * SIGNATURE_SIZE], _offset(base))
            else:
                patch = self.read(np.array([[base, end - base]], dtype=np.int64))
                patch[ext.block_numbers(extents[low : last + 1]) - base] = signatures[start:stop]
                write_all(self._fd, patch.data.cast("B"), _offset(base))


def _offset(block: int) -> int:
    return HEADER_SIZE + block * SIGNATURE_SIZE


def _render(header: Header) -> bytes:
    body = msgspec.msgpack.encode(header)
    plain = MAGIC + len(body).to_bytes(2, "little") + body
    return (plain + blake2b(plain, digest_size=_CHECKSUM).digest()).ljust(HEADER_LIMIT, b"\0")


def _parse(raw: bytes) -> Header | None:
    if not raw.startswith(MAGIC) or len(raw) < HEADER_LIMIT:
        return None
    end = 10 + int.from_bytes(raw[8:10], "little")
    if end + _CHECKSUM > HEADER_LIMIT or blake2b(raw[:end], digest_size=_CHECKSUM).digest() != raw[end : end + _CHECKSUM]:
        return None
    return msgspec.msgpack.decode(raw[10:end], type=Header)
