"""Reading on, asked for by many at once."""

import asyncio
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.vault.worlds import two_sites
from understudy.errors import StoreUnavailable
from understudy.store.protocol import ObjectInfo
from understudy.vault import kinds
from understudy.vault.vault import Vault


async def test_those_who_wait_share_one_reading(store: FaultyStore, vault: Vault, tmp_path: Path) -> None:
    _, other = await two_sites(store, vault, tmp_path)
    store.calls.clear()
    await other.refresh()
    once = len(store.calls)
    store.calls.clear()
    await asyncio.gather(*(other.refresh() for _ in range(20)))
    assert len(store.calls) == 2 * once, "the first one's, and that of all others"


async def test_who_asks_while_it_is_read_sees_what_was_written_before(
    store: FaultyStore, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reading that is under way has passed the end already."""
    here, other = await two_sites(store, vault, tmp_path)
    looked, asked = asyncio.Event(), asyncio.Event()
    head = store.head

    async def held(name: str) -> ObjectInfo | None:
        """The reading's look at what comes after the end, answered when somebody has asked."""
        found = await head(name)
        if found is None and name.startswith("machines/"):
            monkeypatch.undo()
            looked.set()
            await asked.wait()
        return found

    monkeypatch.setattr(store, "head", held)
    reading = asyncio.create_task(other.refresh())
    await looked.wait()
    await here.append(kinds.Note(text="news"))
    asking = [asyncio.create_task(other.refresh()) for _ in range(2)]
    await asyncio.sleep(0)
    asked.set()
    await asyncio.gather(reading, *asking)
    assert other.head == here.head


async def test_a_failure_is_shared_by_nobody(store: FaultyStore, vault: Vault, tmp_path: Path) -> None:
    here, other = await two_sites(store, vault, tmp_path)
    await here.append(kinds.Note(text="news"))
    store.plan(Fault(Action.FAIL_BEFORE, "head", "machines/*"))
    found = await asyncio.gather(*(other.refresh() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [StoreUnavailable, type(None), type(None)]
    assert other.head == here.head
    store.plan(Fault(Action.FAIL_BEFORE, times=-1))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await other.refresh()
