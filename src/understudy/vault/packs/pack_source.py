"""Packs for reading: keys, footers and bytes, each fetched once for all who want them at the moment."""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from understudy.model import Data
from understudy.vault import names
from understudy.vault.cache import Cache
from understudy.vault.kinds import PackRef
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.history import History
from understudy.vault.packs.footer import Footer
from understudy.vault.packs.pack_fetch import fetch_footer, fetch_key, fetch_range, fetch_whole, inline_footer, inline_key
from understudy.vault.packs.pack_layout import PackKey, damaged, frame_context
from understudy.vault.room import Room

KEYS = 4096
FOOTER_BYTES = 24 << 20
INLINE_BYTES = 8 << 20
READ_MOST = 8 << 20
"""Bytes of one request at most."""
READS = 32 << 20
"""Over a long link, what requests that are worth it at once read together: with more of them, each reads less."""
FEW = 4
"""Requests at once that a reader makes anyway, of one pack each."""
NEAR_ROOM = 32 << 20
FAR_ROOM = 56 << 20
"""Bytes of packs that streams hold together: two of the largest, or as many of those in a bucket as are worth it at once."""
SLOW = 2 << 20
"""Bytes a second of one request, below which bytes that nobody wants cost more than further requests."""
MEASURED = 512 << 10
"""Bytes from which on it is not the round trip that is measured."""
DECODING = 3
"""Units of a stream that are decoded, or wait for who reads it, beside them."""


class Packs(Protocol):
    """Where the parts of packs come from."""

    @property
    def at_once(self) -> int:
        """Requests to one pack that are worth it at once."""
        ...

    @property
    def read_most(self) -> int:
        """Bytes of one request, but for its last frame."""
        ...

    async def read(self, pack: PackAt, start: int, length: int) -> Data:
        """Exactly these bytes."""
        ...

    async def key(self, pack: PackAt) -> PackKey:
        """`AccessDenied` without the recovery private key."""
        ...

    async def footer(self, pack: PackAt) -> Footer: ...

    def context(self, pack: PackAt, disk_id: bytes) -> NDArray[np.uint8]:
        """decode's table of contexts, with the one disk that is read."""
        ...


class PackSource:
    """One machine's packs. Bounded memory: KEYS keys of 32 bytes, and the bytes above."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._keys: Cache[PackKey] = Cache(KEYS, lambda _: 1)
        self._footers: Cache[Footer] = Cache(FOOTER_BYTES, lambda footer: footer.frames.nbytes + footer.signatures.nbytes)
        self._inline: Cache[bytes] = Cache(INLINE_BYTES, len)
        self.room = Room(FAR_ROOM if self.far else NEAR_ROOM)
        self.decoding = asyncio.Semaphore(DECODING)
        self.slow = False
        """Whether the last large pack that came whole came slowly."""

    @property
    def far(self) -> bool:
        """Whether more requests at once are worth it than a reader makes anyway."""
        return self._history.store.capabilities.parallel > FEW

    @property
    def width(self) -> int:
        """Packs that are worth reading at once."""
        return max(FEW, self._history.store.capabilities.parallel)

    @property
    def at_once(self) -> int:
        return max(1, self._history.store.capabilities.parallel // FEW)

    @property
    def read_most(self) -> int:
        return min(READ_MOST, READS // self._history.store.capabilities.parallel) if self.far else READ_MOST

    async def read(self, pack: PackAt, start: int, length: int) -> Data:
        if not pack.seq:
            return await fetch_range(self._history.reader, self._history.machine_id, pack.id, start, length)
        data = (await self._inlined(pack))[start : start + length]
        if len(data) != length:
            raise damaged(pack.id, "is shorter than its map says")
        return data

    async def whole(self, pack: PackAt, *, ends: bool) -> "WholePack":
        """A stored pack in one request. `ends`: as `must_end`."""
        began = time.monotonic()
        data = await fetch_whole(self._history.reader, self._history.machine_id, _ref(pack), ends=ends)
        if len(data) >= MEASURED:
            self.slow = len(data) < SLOW * (time.monotonic() - began)
        return WholePack(self, data)

    async def must_end(self, pack: PackAt) -> None:
        """`IntegrityError` if an object goes on where the pack ends, which reading its parts would not show."""
        if not pack.seq:
            info = await self._history.store.head(names.pack(self._history.machine_id, pack.id.hex()))
            if info is not None and info.size > pack.size:
                raise damaged(pack.id, f"has {info.size} bytes instead of {pack.size}")

    async def _inlined(self, pack: PackAt) -> bytes:
        return await self._inline.get(pack.id, lambda: self._history.inline_pack(pack))

    async def key(self, pack: PackAt, whole: Data | None = None) -> PackKey:
        """`whole`: the pack's bytes, where they are at hand."""

        async def load() -> PackKey:
            history = self._history
            data = await self._inlined(pack) if pack.seq else whole
            if data is not None:
                return inline_key(history.access, _ref(pack), data)
            return await fetch_key(history.reader, history.access, history.machine_id, _ref(pack))

        return await self._keys.get(pack.id, load)

    async def footer(self, pack: PackAt, whole: Data | None = None) -> Footer:
        async def load() -> Footer:
            history = self._history
            data = await self._inlined(pack) if pack.seq else whole
            if data is not None:
                return await asyncio.to_thread(inline_footer, history.access, history.machine_id, _ref(pack), data)
            return await fetch_footer(history.reader, history.access, history.machine_id, _ref(pack))

        return await self._footers.get(pack.id, load)

    def context(self, pack: PackAt, disk_id: bytes) -> NDArray[np.uint8]:
        place = frame_context(self._history.access.vault_id, self._history.machine_id, pack.id, disk_id)
        return np.frombuffer(place, dtype=np.uint8).reshape(1, -1)


@dataclass(frozen=True, slots=True)
class WholePack:
    """One pack whose bytes are all here."""

    source: PackSource
    data: Data

    @property
    def at_once(self) -> int:
        return 1

    @property
    def read_most(self) -> int:
        return READ_MOST

    async def read(self, pack: PackAt, start: int, length: int) -> memoryview:
        found = memoryview(self.data)[start : start + length]
        if len(found) != length:
            raise damaged(pack.id, "is shorter than its map says")
        return found

    async def key(self, pack: PackAt) -> PackKey:
        return await self.source.key(pack, self.data)

    async def footer(self, pack: PackAt) -> Footer:
        return await self.source.footer(pack, self.data)

    def context(self, pack: PackAt, disk_id: bytes) -> NDArray[np.uint8]:
        return self.source.context(pack, disk_id)


def _ref(pack: PackAt) -> PackRef:
    return PackRef(id=pack.id, size=pack.size, hash=pack.hash)
