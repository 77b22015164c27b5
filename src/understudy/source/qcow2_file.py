"""Reading a qcow2 file that QEMU has closed: plain clusters of a file of its own, without backing file, compression or encryption.

After docs/interop/qcow2.txt of QEMU.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from understudy import extents as ext
from understudy.errors import SourceRefused, SourceUnavailable
from understudy.model import BLOCK_SIZE, NO_EXTENTS, Bytes, Extents, blocks_of

_HEADER = struct.Struct(">4sIQIIQIIQ")
_MAGIC, _VERSION = b"QFI\xfb", 3
_OFFSET = np.uint64(0x00FF_FFFF_FFFF_FE00)
_ZERO = np.uint64(1)
_COMPRESSED = np.uint64(1 << 62)


@dataclass(frozen=True, slots=True)
class Qcow2File:
    """Its present clusters, by number: `numbers` sorted, `places` their offsets in the file, 0 for clusters that read as zero."""

    path: Path
    size: int
    cluster: int
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]]
    places: np.ndarray[tuple[int], np.dtype[np.int64]]

    def present(self) -> Extents:
        """Blocks that were written, be it as zeros."""
        return self._blocks(self.numbers)

    def data(self) -> Extents:
        """Blocks that were written otherwise."""
        return self._blocks(self.numbers[self.places != 0])

    def read_into(self, extents: Extents, buffer: Bytes) -> None:
        """Fill `buffer` with whole blocks, zeros for what is not present. `SourceUnavailable` if the file cannot be read."""
        unit, position = self.cluster // BLOCK_SIZE, 0
        try:
            with self.path.open("rb", buffering=0) as file:
                for first, count in extents.tolist():
                    while count:
                        number, within = divmod(first, unit)
                        blocks = min(count, unit - within)
                        part = buffer[position : position + blocks * BLOCK_SIZE]
                        self._fill(file.fileno(), number, within * BLOCK_SIZE, part)
                        first, count, position = first + blocks, count - blocks, position + len(part)
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _fill(self, descriptor: int, number: int, within: int, part: Bytes) -> None:
        index = int(np.searchsorted(self.numbers, number))
        there = index < len(self.numbers) and self.numbers[index] == number
        place = int(self.places[index]) if there else 0
        # A short last cluster may end before its last block does.
        got = os.preadv(descriptor, [part.data], place + within) if place else 0
        part[got:] = 0

    def _blocks(self, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Extents:
        if not len(numbers):
            return NO_EXTENTS
        unit = self.cluster // BLOCK_SIZE
        return ext.clip(ext.union(np.stack([numbers * unit, np.full_like(numbers, unit)], axis=1)), blocks_of(self.size))


def open_qcow2(path: Path) -> Qcow2File:
    """Read the tables. `SourceRefused` for what is no such file, `SourceUnavailable` if it cannot be read."""
    try:
        with path.open("rb") as file:
            magic, version, _, backing, cluster_bits, size, encryption, entries, at = _HEADER.unpack(file.read(_HEADER.size))
            if (magic, version, backing, encryption) != (_MAGIC, _VERSION, 0, 0):
                raise SourceRefused(f"{path} is not the qcow2 file that QEMU was told to make")
            top = _table(os.pread(file.fileno(), entries * 8, at)) & _OFFSET
            tables = [
                (index, _table(os.pread(file.fileno(), 1 << cluster_bits, int(top[index])))) for index in np.flatnonzero(top).tolist()
            ]
    except OSError as error:
        raise _unreadable(path, error) from error
    except struct.error as error:
        raise SourceRefused(f"{path} is cut off") from error
    number, entry = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for index, table in tables:
        used = np.flatnonzero(table)
        number.append(used + index * ((1 << cluster_bits) // 8))
        entry.append(table[used])
    entries_found = np.concatenate(entry)
    if (entries_found & _COMPRESSED).any():
        raise SourceRefused(f"{path} has compressed clusters, which QEMU was not told to write")
    places = np.where(entries_found & _ZERO, 0, entries_found & _OFFSET).astype(np.int64)
    return Qcow2File(path, size, 1 << cluster_bits, np.concatenate(number), places)


def _table(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.frombuffer(data, ">u8").astype(np.uint64)


def _unreadable(path: Path, error: OSError) -> SourceUnavailable:
    return SourceUnavailable(f"{path} cannot be read: {error.strerror}", hint="QEMU wrote it: understudy must be able to read its files")
