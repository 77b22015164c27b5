"""What has a random name is created through whatever a store answers, and never taken for somebody else's."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from understudy.errors import IntegrityError, OverQuota, StoreRefused, StoreUnavailable
from understudy.store.file import FileStore
from understudy.store.protocol import Creation
from understudy.vault.log.patience import Patience, create_new_patiently, create_patiently

QUICK = Patience(attempts=3, first=0.001)
BUFFERS = [b"head", np.arange(200, dtype=np.uint8), memoryview(b"tail"), b""]
WHOLE = b"head" + bytes(range(200)) + b"tail"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    store = FaultyStore(FileStore(tmp_path / "store", make=True))
    yield store
    await store.close()


@pytest.mark.parametrize("action", [Action.FAIL_BEFORE, Action.FAIL_AFTER])
async def test_it_is_repeated_until_it_is_there(store: FaultyStore, action: Action) -> None:
    store.plan(Fault(action, op="create", times=2))
    await create_new_patiently(store, "x", BUFFERS, QUICK)
    assert await store.get("x") == WHOLE
    assert store.calls.count(Call("create", "x")) == 3


async def test_a_store_that_repeats_by_itself_may_say_at_once_that_it_exists(store: FaultyStore) -> None:
    await store.create("x", BUFFERS)
    await create_new_patiently(store, "x", BUFFERS, QUICK)


@pytest.mark.parametrize("other", [WHOLE[:-1], WHOLE + b"l", WHOLE[:-1] + b"L", b""])
async def test_what_somebody_else_wrote_is_not_ours(store: FaultyStore, other: bytes) -> None:
    await store.create("x", [other])
    store.plan(Fault(Action.FAIL_BEFORE, op="create", times=1))
    with pytest.raises(IntegrityError):
        await create_new_patiently(store, "x", BUFFERS, QUICK)
    assert await store.get("x") == other


async def test_one_that_is_said_to_exist_and_does_not_is_a_lie(store: FaultyStore) -> None:
    class Liar(FaultyStore):
        async def create(self, name: str, buffers: object) -> Creation:
            return Creation.EXISTS

    with pytest.raises(IntegrityError):
        await create_new_patiently(Liar(store), "x", BUFFERS, QUICK)


@pytest.mark.parametrize(("action", "error", "calls"), [(Action.FAIL_BEFORE, StoreUnavailable, 3), (Action.REFUSE, StoreRefused, 1)])
async def test_it_is_given_up(store: FaultyStore, action: Action, error: type[Exception], calls: int) -> None:
    store.plan(Fault(action, times=-1))
    with pytest.raises(error):
        await create_new_patiently(store, "x", BUFFERS, QUICK)
    assert len(store.calls) == calls


async def test_a_quota_is_not_waited_for(store: FaultyStore) -> None:
    def full(call: Call) -> None:
        raise OverQuota("the quota is used up")

    store.before = full
    with pytest.raises(OverQuota):
        await create_new_patiently(store, "x", BUFFERS, QUICK)
    with pytest.raises(OverQuota):
        await create_patiently(store, "y", WHOLE, QUICK)
    assert store.calls == [Call("create", "x"), Call("create", "y")]
