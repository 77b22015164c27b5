"""The adapter alone, over a store in memory."""

from collections.abc import AsyncIterator, Sequence

import obstore
import pytest
from obstore.store import MemoryStore

from tests.faults import FaultyStore
from tests.store.conformance import Conformance
from understudy.store.protocol import Capabilities, ObjectStore
from understudy.store.remote.objects import RemoteStore


class Memory(RemoteStore):
    """What is put there is kept as it is given, and not sent away: so it is given copies."""

    def __init__(self, prefix: str) -> None:
        super().__init__(MemoryStore(), Capabilities(kind="memory"), "this process", "memory:", prefix)

    async def _put(self, key: str, views: Sequence[memoryview]) -> None:
        await super()._put(key, [memoryview(bytes(view)) for view in views])


class TestMemory(Conformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        store = Memory("some/prefix")
        yield store
        await store.close()


class TestMemoryBehindFaults(Conformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        store = FaultyStore(Memory(""))
        yield store
        await store.close()


async def test_what_comes_is_not_copied() -> None:
    """A copy of each pack took a tenth to a quarter of the processor that reading it takes."""
    store = Memory("")
    await store.create("large", [bytes(1 << 20)])
    for data in (await store.get("large"), await store.get("large", 1, 1 << 19)):
        assert isinstance(data, memoryview)
        assert data.readonly
        assert isinstance(data.obj, obstore.Bytes)
    await store.close()
