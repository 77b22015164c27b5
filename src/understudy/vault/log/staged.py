"""A copy's log in mid-leap: its last record is there, and those before it are still on their way from where they were staged."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence

from understudy.errors import NotFound
from understudy.model import BytesLike, Data
from understudy.store.protocol import Capabilities, Creation, ObjectInfo, ObjectStore
from understudy.vault import names

_DIGITS = 16


async def bridged(store: ObjectStore, owner: str) -> "Bridged | None":
    """The store with what is staged in the place of what is missing before the log's last record; None where nothing is staged there.

    Each record is proven by who reads it, wherever it lies.
    """
    staged = await staged_sizes(store, owner)
    if not staged:
        return None
    last = 0
    async for info in store.list(names.log(owner)):
        last = names.number_of(owner, info.name) or last
    before = {seq: size for seq, size in staged.items() if seq < last}
    return Bridged(store, owner, before) if before else None


async def staged_sizes(store: ObjectStore, owner: str) -> dict[int, int]:
    """Bytes of what is staged, by the number of the record. What has no record's number is passed over."""
    prefix, found = names.staging(owner), dict[int, int]()
    async for info in store.list(prefix):
        digits = info.name.removeprefix(prefix)
        if len(digits) == _DIGITS and digits.isascii() and digits.isdecimal():
            found[int(digits)] = info.size
    return found


class Bridged:
    """An `ObjectStore` for one log's reader. `staged`: sizes by record number."""

    def __init__(self, store: ObjectStore, owner: str, staged: Mapping[int, int]) -> None:
        self._store = store
        self._owner = owner
        self._staged = {names.record(owner, seq): (names.staged(owner, seq), staged[seq]) for seq in sorted(staged)}

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        return await self._store.create(name, buffers)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        try:
            return await self._store.get(name, start, length)
        except NotFound:
            if name not in self._staged:
                raise
            return await self._store.get(self._staged[name][0], start, length)

    async def head(self, name: str) -> ObjectInfo | None:
        found = await self._store.head(name)
        if found is not None or name not in self._staged:
            return found
        staged = await self._store.head(self._staged[name][0])
        return ObjectInfo(name, staged.size) if staged is not None else None

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        waiting = list(self._staged) if prefix == names.log(self._owner) else []
        at = bisect_right(waiting, start_after)
        async for info in self._store.list(prefix, start_after):
            while at < len(waiting) and waiting[at] < info.name:
                yield ObjectInfo(waiting[at], self._staged[waiting[at]][1])
                at += 1
            at += at < len(waiting) and waiting[at] == info.name
            yield info

    async def delete(self, name: str) -> bool:
        return await self._store.delete(name)

    async def close(self) -> None:
        await self._store.close()
