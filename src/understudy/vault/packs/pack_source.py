"""Packs for reading: keys, footers and bytes, each fetched once for all who want them at the moment."""

import numpy as np

from understudy.vault.cache import Cache
from understudy.vault.kinds import PackRef
from understudy.vault.maps.diskmap import PackAt
from understudy.vault.maps.history import History
from understudy.vault.packs.footer import Footer
from understudy.vault.packs.pack_fetch import fetch_footer, fetch_key, fetch_range, inline_footer, inline_key
from understudy.vault.packs.pack_layout import PackKey, damaged, frame_context

KEYS = 4096
FOOTER_BYTES = 24 << 20
INLINE_BYTES = 8 << 20
READ_MOST = 8 << 20
"""Bytes of one request at most."""
READS = 32 << 20
"""Over a long link, what requests that are worth it at once read together: with more of them, each reads less."""
FEW = 4
"""Requests at once that a reader makes anyway, of one pack each."""


class PackSource:
    """One machine's packs. Bounded memory: KEYS keys of 32 bytes, and the bytes above."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._keys: Cache[PackKey] = Cache(KEYS, lambda _: 1)
        self._footers: Cache[Footer] = Cache(FOOTER_BYTES, lambda footer: footer.frames.nbytes + footer.signatures.nbytes)
        self._inline: Cache[bytes] = Cache(INLINE_BYTES, len)

    @property
    def far(self) -> bool:
        """Whether more requests at once are worth it than a reader makes anyway."""
        return self._history.store.capabilities.parallel > FEW

    @property
    def at_once(self) -> int:
        """Requests to one pack that are worth it at once."""
        return max(1, self._history.store.capabilities.parallel // FEW)

    @property
    def read_most(self) -> int:
        """Bytes of one request, but for its last frame."""
        return min(READ_MOST, READS // self._history.store.capabilities.parallel) if self.far else READ_MOST

    async def read(self, pack: PackAt, start: int, length: int) -> bytes:
        """Exactly these bytes."""
        if not pack.seq:
            return await fetch_range(self._history.store, self._history.machine_id, pack.id, start, length)
        data = (await self._whole(pack))[start : start + length]
        if len(data) != length:
            raise damaged(pack.id, "is shorter than its map says")
        return data

    async def _whole(self, pack: PackAt) -> bytes:
        return await self._inline.get(pack.id, lambda: self._history.inline_pack(pack))

    async def key(self, pack: PackAt) -> PackKey:
        """`AccessDenied` without the recovery private key."""

        async def load() -> PackKey:
            history, ref = self._history, PackRef(id=pack.id, size=pack.size, hash=pack.hash)
            if pack.seq:
                return inline_key(history.access, ref, await self._whole(pack))
            return await fetch_key(history.store, history.access, history.machine_id, ref)

        return await self._keys.get(pack.id, load)

    async def footer(self, pack: PackAt) -> Footer:
        async def load() -> Footer:
            history, ref = self._history, PackRef(id=pack.id, size=pack.size, hash=pack.hash)
            if pack.seq:
                return inline_footer(history.access, history.machine_id, ref, await self._whole(pack))
            return await fetch_footer(history.store, history.access, history.machine_id, ref)

        return await self._footers.get(pack.id, load)

    def context(self, pack: PackAt, disk_id: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
        """decode's table of contexts, with the one disk that is read."""
        place = frame_context(self._history.access.vault_id, self._history.machine_id, pack.id, disk_id)
        return np.frombuffer(place, dtype=np.uint8).reshape(1, -1)
