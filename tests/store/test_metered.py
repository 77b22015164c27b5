"""A metered store is a store, and counts what it is asked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.store.conformance import Conformance, names
from understudy.errors import NotFound, StoreRefused, StoreUnavailable
from understudy.store.file import FileStore
from understudy.store.metered import MeteredStore, Tally
from understudy.store.protocol import ObjectStore


class TestMeteredStore(Conformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = MeteredStore(FileStore(tmp_path / "store", make=True), Tally())
        yield store
        await store.close()


async def test_every_request_is_counted_by_what_came_of_it(tmp_path: Path) -> None:
    faulty, tally, clock = FaultyStore(FileStore(tmp_path / "store", make=True)), Tally(), iter(range(1000))
    store = MeteredStore(faulty, tally, lambda: next(clock))
    await store.create("a", [b"12", memoryview(b"345")])
    await store.create("a", [b"12"])
    await store.create("b", [])
    assert await store.get("a", 1, 3) == b"234"
    with pytest.raises(NotFound):
        await store.get("c")
    assert await store.head("a") is not None
    assert await store.head("c") is None
    assert await names(store.list("")) == ["a", "b"]
    async for _ in store.list(""):
        break
    assert await store.delete("a")
    assert not await store.delete("a")
    faulty.plan(Fault(Action.FAIL_BEFORE, op="get"), Fault(Action.REFUSE, op="list"), Fault(Action.FAIL_AFTER, op="create"))
    with pytest.raises(StoreUnavailable):
        await store.get("b")
    with pytest.raises(StoreRefused):
        await names(store.list(""))
    with pytest.raises(StoreUnavailable):
        await store.create("d", [b"1234567"])
    await store.close()
    assert {key: count.requests for key, count in tally.counts.items()} == {
        ("create", "done"): 2,
        ("create", "exists"): 1,
        ("create", "unavailable"): 1,
        ("get", "done"): 1,
        ("get", "absent"): 1,
        ("get", "unavailable"): 1,
        ("head", "done"): 1,
        ("head", "absent"): 1,
        ("list", "done"): 2,
        ("list", "refused"): 1,
        ("delete", "done"): 1,
        ("delete", "absent"): 1,
    }
    assert (tally.sent, tally.received) == (5, 3)
    assert tally.counts["get", "done"].seconds == 1
    assert tally.counts["list", "done"].seconds == 3 + 1  # two names and the end, and one name
