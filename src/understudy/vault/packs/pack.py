"""Collect sealed frames into a pack."""

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128

from understudy.model import Bytes, Extents, Rows, Signatures
from understudy.native import capi
from understudy.native.encode import Encoded, bounds, encode, scratch_size
from understudy.native.layout import FRAME, KIND_ZERO
from understudy.pages import from_a_page
from understudy.vault.access import Access
from understudy.vault.box import Entropy
from understudy.vault.kinds import PackRef
from understudy.vault.packs.footer import DISKS_MAX, overlapping, seal_footer
from understudy.vault.packs.pack_layout import (
    HASH_SIZE,
    HEADER_SIZE,
    ID_SIZE,
    KEY_SIZE,
    TRAILER_SIZE,
    build_header,
    build_trailer,
    frame_context,
)

CAPACITY = 16 << 20
"""Bytes of frames in a full pack: enough to make a request worth its latency, little enough for a buffer of each writer."""
ROWS = 1 << 16
BLOCKS = 1 << 16
"""Rows and blocks with a payload in a full pack, whatever they compress to: bounds the footer to 3 MiB."""


@dataclass(frozen=True, slots=True)
class FinishedPack:
    """A pack ready to be stored. `buffers` are views of its writer's memory, gone when that is reset; the rest are copies."""

    ref: PackRef
    buffers: list[memoryview]
    frames: Rows
    """FRAME rows of everything in it."""
    signatures: Signatures
    """(N, 16): one for each block of each row with a payload, in row order."""


class PackWriter:
    """One pack being filled, in buffers that are allocated once. Not for two threads at a time; any thread may be the next."""

    def __init__(
        self,
        access: Access,
        machine_id: str,
        disk_ids: Sequence[bytes],
        suite: int | None = None,
        capacity: int = CAPACITY,
        entropy: Entropy = os.urandom,
    ) -> None:
        """disk_ids: 16 bytes each; FRAME.disk is an index into them. suite: the preferred one on this CPU if None."""
        if len(disk_ids) > DISKS_MAX or len(set(disk_ids)) != len(disk_ids) or any(len(disk) != ID_SIZE for disk in disk_ids):
            raise ValueError(f"{len(disk_ids)} disk ids: at most {DISKS_MAX}, of {ID_SIZE} bytes, each once")
        self._access = access
        self._machine_id = machine_id
        self._disks = tuple(disk_ids)
        self._suite = capi.suites()[0] if suite is None else suite
        self._entropy = entropy
        # A file store can write it past the page cache: header and frames in one.
        self._memory = from_a_page(HEADER_SIZE + capacity)
        self._out = self._memory[HEADER_SIZE:]
        self._rows = np.empty(ROWS, dtype=FRAME)
        self._scratch = np.empty(scratch_size(), dtype=np.uint8)
        self.reset()

    def reset(self) -> None:
        """Start the next pack, with its own id and key. What `finish` returned of the last one loses its buffers."""
        self._id = self._entropy(ID_SIZE)
        key = self._entropy(KEY_SIZE)
        self._key = np.frombuffer(key, dtype=np.uint8)
        self._header = build_header(self._access, self._id, self._suite, key)
        self._memory[:HEADER_SIZE] = np.frombuffer(self._header, dtype=np.uint8)
        self._contexts = [
            np.frombuffer(frame_context(self._access.vault_id, self._machine_id, self._id, disk), dtype=np.uint8) for disk in self._disks
        ]
        self._sealed = 0
        self._frames = 0
        self._number = 0
        self._futile = 0
        self._signatures: list[Signatures] = []
        self._signed = 0

    @property
    def empty(self) -> bool:
        """Nothing that changed has been added."""
        return self._frames == 0

    @property
    def sealed(self) -> int:
        """Bytes of its frames."""
        return self._sealed

    @property
    def room(self) -> int:
        """Blocks that `add` takes for certain, however they compress."""
        space, rows = len(self._out) - self._sealed, len(self._rows) - self._frames
        most = min(BLOCKS - self._signed, rows, space >> 12)
        return bisect_right(range(1, max(most, 0) + 1), 0, key=lambda n: self._lacks(n, space, rows))

    def _lacks(self, blocks: int, space: int, rows: int) -> int:
        need_space, need_rows = bounds(self._suite, blocks)
        return int(need_space > space or need_rows > rows)

    def add(self, disk_index: int, blocks: Bytes, extents: Extents, old: Signatures, new: Signatures) -> Encoded:
        """Encode what changed (native.encode says how) into this pack. `ValueError` if it might not fit; nothing is added then."""
        if len(blocks) >> 12 > self.room:
            raise ValueError(f"{len(blocks) >> 12} blocks, there is room for {self.room}")
        encoded = encode(
            blocks,
            extents,
            old,
            secret=self._access.secrets.signature,
            digest_secret=self._access.secrets.digest,
            suite=self._suite,
            key=self._key,
            number=self._number,
            futile=self._futile,
            context=self._contexts[disk_index],
            disk=disk_index,
            offset=HEADER_SIZE + self._sealed,
            out=self._out[self._sealed :],
            frames=self._rows[self._frames :],
            new=new,
            scratch=self._scratch,
        )
        added = self._rows[self._frames : self._frames + encoded.frames]
        signatures = _signatures_of(added, extents, new)
        self._signatures.append(signatures)
        self._signed += len(signatures)
        self._sealed += encoded.sealed
        self._frames += encoded.frames
        self._number = encoded.number
        self._futile = encoded.futile
        return encoded

    def finish(self) -> FinishedPack:
        """Seal the footer and sum up the whole. `ValueError` if a block was added twice: the index could not say which one holds."""
        frames = self._rows[: self._frames].copy()
        twice = overlapping(frames)
        if twice is not None:
            raise ValueError(f"block {frames['first'][twice]} of disk {frames['disk'][twice]} is in this pack twice")
        signatures = np.concatenate([np.empty((0, 16), dtype=np.uint8), *self._signatures])
        footer = seal_footer(self._access, self._machine_id, self._id, self._suite, self._disks, frames, signatures, self._entropy)
        end = HEADER_SIZE + self._sealed
        parts = [self._memory[:end].data, memoryview(footer)]
        checksum = xxh3_128()
        for part in parts:
            checksum.update(part)
        trailer = build_trailer(self._header, end, footer, checksum.digest())
        ref = PackRef(id=self._id, size=end + len(footer) + TRAILER_SIZE, hash=trailer[-HASH_SIZE:])
        return FinishedPack(ref, [*parts, memoryview(trailer)], frames, signatures)


def _signatures_of(frames: Rows, extents: Extents, new: Signatures) -> Signatures:
    """The elements of `new`, which is in the order of `extents`, that belong to blocks of rows with a payload."""
    payload = frames[frames["kind"] != KIND_ZERO]
    first, counts = payload["first"].astype(np.int64), payload["blocks"].astype(np.int64)
    owner = np.searchsorted(extents[:, 0], first, side="right") - 1
    before: NDArray[np.int64] = np.cumsum(extents[:, 1]) - extents[:, 1]
    start = before[owner] + first - extents[owner, 0]
    offsets = np.repeat(start - (np.cumsum(counts) - counts), counts)
    return np.take(new, offsets + np.arange(len(offsets)), axis=0)
