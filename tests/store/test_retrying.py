"""A retrying store is a store; what is transient is repeated, bounded, and `create` never."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from tests.store.conformance import Conformance, names
from understudy.errors import NotFound, StoreRefused, StoreUnavailable
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectStore
from understudy.store.retrying import Backoff, RetryingStore


class TestRetryingStore(Conformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = RetryingStore(FileStore(tmp_path / "store", make=True))
        yield store
        await store.close()


class Time:
    """Goes on only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
async def faulty(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    store = FaultyStore(FileStore(tmp_path / "store", make=True))
    for number in range(5):
        await store.create(f"log/{number}", [b"%d" % number])
    yield store
    await store.close()


@pytest.fixture
def time() -> Time:
    return Time()


def over(faulty: FaultyStore, time: Time, backoff: Backoff | None = None) -> RetryingStore:
    faulty.calls.clear()
    return RetryingStore(faulty, backoff, clock=time.clock, sleep=time.sleep)


async def test_what_reads_is_repeated_until_it_succeeds(faulty: FaultyStore, time: Time) -> None:
    store = over(faulty, time)
    faulty.plan(Fault(Action.FAIL_BEFORE, times=3))
    assert await store.get("log/1") == b"1"
    assert faulty.calls == [Call("get", "log/1")] * 4
    faulty.plan(Fault(Action.FAIL_AFTER, times=3))
    assert await store.head("log/2") == ("log/2", 1)
    assert len(time.waits) == 6
    assert all(wait <= Backoff().first * 2 ** (turn % 3) for turn, wait in enumerate(time.waits))


async def test_a_listing_goes_on_behind_what_it_has_told(faulty: FaultyStore, time: Time) -> None:
    class Torn(FaultyStore):
        async def list(self, prefix: str, start_after: str = "") -> AsyncIterator:
            self.calls.append(Call("list", start_after))
            async for told, info in _counted(self.inner.list(prefix, start_after)):
                if told == 2:
                    raise StoreUnavailable("the connection was cut")
                yield info

    torn = Torn(faulty)
    store = RetryingStore(torn, Backoff(attempts=2), clock=time.clock, sleep=time.sleep)
    assert await names(store.list("log/")) == [f"log/{number}" for number in range(5)]
    assert [call.name for call in torn.calls] == ["", "log/1", "log/3"]


async def _counted(infos: AsyncIterator) -> AsyncIterator:
    told = 0
    async for info in infos:
        yield told, info
        told += 1


async def test_who_has_read_enough_of_a_listing_leaves_it(faulty: FaultyStore, time: Time) -> None:
    async for info in over(faulty, time).list("log/"):
        assert info.name == "log/0"
        break


@pytest.mark.parametrize(("fault", "error"), [(Action.REFUSE, StoreRefused), (None, NotFound)])
async def test_what_is_permanent_is_raised_at_once(faulty: FaultyStore, time: Time, fault: Action | None, error: type[Exception]) -> None:
    store = over(faulty, time)
    if fault is not None:
        faulty.plan(Fault(fault, times=-1))
    with pytest.raises(error):
        await store.get("log/none")
    assert len(faulty.calls) == 1
    assert not time.waits


async def test_a_creation_is_never_repeated(faulty: FaultyStore, time: Time) -> None:
    """Its own object would look like somebody else's to who asked for it."""
    store = over(faulty, time)
    faulty.plan(Fault(Action.FAIL_AFTER, op="create"))
    with pytest.raises(StoreUnavailable):
        await store.create("log/5", [b"5"])
    assert faulty.calls == [Call("create", "log/5")]


async def test_a_deletion_whose_answer_was_lost_was_one(faulty: FaultyStore, time: Time) -> None:
    store = over(faulty, time)
    faulty.plan(Fault(Action.FAIL_AFTER, op="delete"))
    assert await store.delete("log/1") is True
    assert await store.delete("log/1") is False


async def test_patience_ends(faulty: FaultyStore, time: Time) -> None:
    store = over(faulty, time, Backoff(attempts=7))
    faulty.plan(Fault(Action.FAIL_BEFORE, times=-1))
    with pytest.raises(StoreUnavailable):
        await store.get("log/1")
    assert len(faulty.calls) == 7


async def test_no_try_begins_after_its_time(faulty: FaultyStore, time: Time) -> None:
    store = over(faulty, time, Backoff(attempts=10**6, seconds=60.0))
    faulty.plan(Fault(Action.FAIL_BEFORE, times=-1))
    with pytest.raises(StoreUnavailable):
        await store.get("log/1")
    assert time.now <= 60.0
    assert max(time.waits) <= Backoff().longest


async def test_in_an_outage_not_every_call_waits(faulty: FaultyStore, time: Time) -> None:
    """Whoever repeats calls in turn would wait as often as it does: minutes, where each call takes half of one."""
    store = over(faulty, time, Backoff(attempts=5))
    faulty.plan(Fault(Action.FAIL_BEFORE, times=-1))
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await store.head("log/1")
    assert len(faulty.calls) == 5 + 1 + 1
    faulty.plan(Fault(Action.FAIL_BEFORE, op="get", times=2))
    assert await store.head("log/1") is not None
    assert await store.get("log/1") == b"1"  # patient again, since something was answered
    faulty.plan(Fault(Action.FAIL_BEFORE, times=-1))
    with pytest.raises(StoreUnavailable):
        await names(store.list("log/"))
    assert len(faulty.calls) == 5
