"""Which blocks of a disk an overlay holds: a bit each, in two files.

One is durable, and never ahead of the blocks themselves: a power cut leaves what was flushed. The other is written before a client hears
that its write is done, and not synced: it holds as long as the kernel runs, so that a kill of this process loses nothing that a client,
which goes on, takes for written.
"""

import os
from pathlib import Path

import msgspec
import numpy as np

from understudy import extents as ext
from understudy.durable import read_all, write_all
from understudy.errors import Conflict, StateFailed
from understudy.model import NO_EXTENTS, Bytes, Extents, blocks_of

PAGE = 4096
"""Bytes of bits that are written together; a file's first page says whose overlay it is."""


class Whose(msgspec.Struct, frozen=True, kw_only=True):
    """The disk that an overlay lies on; on another one its bytes mean nothing. Ids in hex."""

    vault: str
    machine: str
    point: str
    disk: str
    size: int


class _Live(msgspec.Struct, frozen=True):
    """Whose, and since which start of the kernel."""

    whose: Whose
    boot: str


class Marks:
    """The bits in memory, and the open files of them. Blocks."""

    def __init__(self, durable: Path, live: Path, whose: Whose) -> None:
        """Open, or make. `Conflict` if they are another disk's."""
        self._bits = np.zeros(-(-blocks_of(whose.size) // 8), dtype=np.uint8)
        self._changed: set[int] = set()
        self._fds: list[int] = []
        try:
            self._durable = self._opened(durable)
            self._live = self._opened(live)
            self._load_durable(durable, whose)
            self._load_live(_Live(whose, _boot()))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        while self._fds:
            os.close(self._fds.pop())

    def within(self, first: int, blocks: int) -> Extents:
        """What of a range is here."""
        low, high = first // 8, -(-(first + blocks) // 8)
        if not self._bits[low:high].any():
            return NO_EXTENTS
        mask = np.unpackbits(self._bits[low:high], bitorder="little")[first - low * 8 :][:blocks]
        return ext.runs(mask.astype(np.bool_), np.array([[first, blocks]], dtype=np.int64))

    def add(self, extents: Extents) -> None:
        """They are here now, and will be if this process is killed. The blocks must be written already."""
        for first, blocks in extents.tolist():
            low, high = first // 8, -(-(first + blocks) // 8)
            mask = np.zeros((high - low) * 8, dtype=np.uint8)
            mask[first - low * 8 :][:blocks] = 1
            self._bits[low:high] |= np.packbits(mask, bitorder="little")
            self._changed.update(range(low // PAGE, -(-high // PAGE)))
            write_all(self._live, self._bits[low:high].data, PAGE + low)

    def take(self) -> list[tuple[int, bytes]]:
        """What has changed since the last time, as it is now: pages by number."""
        taken = [(page, self._bits[page * PAGE : (page + 1) * PAGE].tobytes()) for page in sorted(self._changed)]
        self._changed.clear()
        return taken

    def save(self, taken: list[tuple[int, bytes]]) -> None:
        """Durable when it returns. The blocks must be already. Blocks the caller."""
        for page, data in taken:
            write_all(self._durable, memoryview(data), (page + 1) * PAGE)
        os.fdatasync(self._durable)

    def _opened(self, path: Path) -> int:
        self._fds.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return self._fds[-1]

    def _load_durable(self, path: Path, whose: Whose) -> None:
        said = os.pread(self._durable, PAGE, 0)
        if len(said) < PAGE or not any(said):
            # Nothing was marked before the first page was durable.
            self._begin(self._durable, msgspec.json.encode(whose))
            os.fsync(self._durable)
            return
        try:
            found = msgspec.json.decode(said, type=Whose)
        except msgspec.DecodeError as error:
            raise StateFailed(f"{path} is no overlay's record: {error}", hint="remove the overlay, and begin it anew") from None
        if found != whose:
            raise Conflict(
                f"{path} belongs to an overlay on point {found.point[:8]}, disk {found.disk[:8]}, and not on this one",
                hint="name another directory for the overlay; or remove this one, if nobody needs what was written to it",
            )
        self._read(self._durable, self._bits)

    def _load_live(self, live: _Live) -> None:
        """What is marked there and not durable yet counts, if the kernel has not been away since: it has the blocks, too."""
        if os.pread(self._live, PAGE, 0) == msgspec.json.encode(live).ljust(PAGE):
            bits = np.zeros(len(self._bits), dtype=np.uint8)
            self._changed.update(self._read(self._live, bits))
            self._bits |= bits
            return
        # Marks first, and whose they are last: killed between, they are made anew.
        os.ftruncate(self._live, 0)
        os.ftruncate(self._live, PAGE + len(self._bits))
        for page in np.unique(np.flatnonzero(self._bits) // PAGE).tolist():
            write_all(self._live, self._bits[page * PAGE : (page + 1) * PAGE].data, (page + 1) * PAGE)
        self._begin(self._live, msgspec.json.encode(live))

    def _begin(self, fd: int, whose: bytes) -> None:
        write_all(fd, memoryview(whose.ljust(PAGE)), 0)
        os.ftruncate(fd, PAGE + len(self._bits))

    def _read(self, fd: int, bits: Bytes) -> set[int]:
        """Fill `bits` from what is no hole in a file; the pages that were."""
        pages: set[int] = set()
        at, stop = PAGE, PAGE + len(bits)
        while at < stop:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break  # nothing but a hole is left
            end = min(os.lseek(fd, at, os.SEEK_HOLE), stop)
            read_all(fd, bits.data[at - PAGE : end - PAGE], at)
            pages.update(range((at - PAGE) // PAGE, -(-(end - PAGE) // PAGE)))
            at = end
        return pages


def _boot() -> str:
    """This start of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
