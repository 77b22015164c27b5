"""A store that is asked so many things at once and no more, in the order in which they came."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import nullcontext

from understudy.model import BytesLike, Data
from understudy.store.protocol import Capabilities, Creation, ObjectInfo, ObjectStore

BULK = 1 << 20
"""Bytes from which on an object or a range is one that takes long."""
BATCH = 100
"""Names of a listing that are taken in one turn: less than a store gives in one answer."""


class LimitedStore:
    """`store`, with at most `limit` requests under way, `bulk` of them large: what is small, and what others wait for, such as a record,
    need not wait until large ones are through."""

    def __init__(self, store: ObjectStore, bulk: int, limit: int) -> None:
        self._store = store
        self._bulk = asyncio.Semaphore(bulk)
        self._turns = asyncio.Semaphore(limit)

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        async with self._bulk if sum(map(len, buffers)) >= BULK else nullcontext(), self._turns:
            return await self._store.create(name, buffers)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        async with self._bulk if length is None or length >= BULK else nullcontext(), self._turns:
            return await self._store.get(name, start, length)

    async def head(self, name: str) -> ObjectInfo | None:
        async with self._turns:
            return await self._store.head(name)

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        """Who takes its time with what it is told holds nobody up."""
        infos = self._store.list(prefix, start_after)
        try:
            more = True
            while more:
                async with self._turns:
                    batch = [info async for info in _some(infos)]
                more = len(batch) == BATCH
                for info in batch:
                    yield info
        finally:
            if isinstance(infos, AsyncGenerator):
                await infos.aclose()

    async def delete(self, name: str) -> bool:
        async with self._turns:
            return await self._store.delete(name)

    async def close(self) -> None:
        await self._store.close()


async def _some(infos: AsyncIterator[ObjectInfo]) -> AsyncIterator[ObjectInfo]:
    for _ in range(BATCH):
        info = await anext(infos, None)
        if info is None:
            return
        yield info
