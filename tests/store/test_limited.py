"""A limited store is a store, asked so many things at once at most; small requests do not wait for large ones."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.conformance import Conformance, names
from tests.vault.kit import DictStore
from understudy.store.file import FileStore
from understudy.store.limited import BATCH, BULK, LimitedStore
from understudy.store.protocol import ObjectInfo, ObjectStore


class TestLimitedStore(Conformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = LimitedStore(FileStore(tmp_path / "store", make=True), 2, 3)
        yield store
        await store.close()


class Gated(DictStore):
    """Answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.under_way: list[str] = []
        self.most = 0

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        await self._pass(name)
        return b""

    async def head(self, name: str) -> ObjectInfo | None:
        await self._pass(name)
        return None

    async def _pass(self, name: str) -> None:
        self.under_way.append(name)
        self.most = max(self.most, len(self.under_way))
        await self.open.wait()
        self.under_way.remove(name)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_than_the_limit_are_under_way_and_the_first_come_first() -> None:
    inner = Gated()
    store = LimitedStore(inner, 3, 4)
    tasks = [asyncio.create_task(store.head(str(number))) for number in range(9)]
    await settled()
    assert inner.under_way == ["0", "1", "2", "3"]
    inner.open.set()
    await asyncio.gather(*tasks)
    assert inner.most == 4


async def test_a_small_request_passes_many_large_ones() -> None:
    inner = Gated()
    store = LimitedStore(inner, 3, 4)
    large = [asyncio.create_task(store.get(f"large {number}", 0, length)) for number, length in enumerate([BULK, None] * 4)]
    await settled()
    assert len(inner.under_way) == 3
    small = asyncio.create_task(store.get("small", 0, BULK - 1))
    await settled()
    assert "small" in inner.under_way
    inner.open.set()
    await asyncio.gather(small, *large)
    assert inner.most == 4


async def test_a_request_that_was_given_up_leaves_its_turn() -> None:
    inner = Gated()
    store = LimitedStore(inner, 1, 1)
    first, waiting = (asyncio.create_task(store.get(name)) for name in ("first", "waiting"))
    await settled()
    for task in (waiting, first):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    inner.open.set()
    assert await asyncio.wait_for(store.get("last"), 10) == b""


async def test_who_reads_a_listing_may_ask_for_what_it_tells() -> None:
    """Even where one request at once is all there is, and the listing has several batches."""
    inner = DictStore()
    wanted = [f"a/{number:04d}" for number in range(2 * BATCH + 1)]
    for name in wanted:
        await inner.create(name, [name.encode()])
    store = LimitedStore(inner, 1, 1)
    async with asyncio.timeout(10):
        assert [await store.get(info.name) async for info in store.list("a/")] == [name.encode() for name in wanted]
        assert await names(store.list("a/", wanted[BATCH - 1])) == wanted[BATCH:]
