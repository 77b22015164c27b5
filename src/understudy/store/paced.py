"""A store whose large objects wait for their turn: what limits the rate, and of what, is its owner's to say."""

from collections.abc import AsyncIterator, Sequence

from understudy.model import BytesLike, Data
from understudy.store.protocol import Capabilities, Creation, ObjectInfo, ObjectStore, Pace


class PacedStore:
    """`store`, with each `create` at the time that `pace` gives it."""

    def __init__(self, store: ObjectStore, pace: Pace) -> None:
        self._store = store
        self._pace = pace

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        await self._pace(name, sum(map(len, buffers)))
        return await self._store.create(name, buffers)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        return await self._store.get(name, start, length)

    async def head(self, name: str) -> ObjectInfo | None:
        return await self._store.head(name)

    def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        return self._store.list(prefix, start_after)

    async def delete(self, name: str) -> bool:
        return await self._store.delete(name)

    async def close(self) -> None:
        await self._store.close()
