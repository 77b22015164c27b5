"""The facade: from an empty directory to a machine's state, and back by another process's eyes."""

import asyncio
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.vault.worlds import QUICK, UNLOCK, a_point
from understudy.errors import Conflict, InvalidRequest, NotFound, StoreUnavailable
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.vault import Vault


async def test_from_nothing_to_a_point_and_back(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    log = await vault.protect("web", "site-a")
    await log.claim("site-a")
    first = await log.append(a_point(inline=b"a small pack"))
    await log.append(kinds.Hold(id=b"h" * 16, point=first.body.id, reason="by hand"))
    await log.append(kinds.Note(text="hello"))
    other = await Vault.open(store, UNLOCK, tmp_path / "other site", patience=QUICK)
    seen = await other.find("web")
    assert seen.state == log.state
    assert seen.head == log.head
    state = seen.state
    assert (state.id, state.name, state.site, state.epoch, state.writer) == (log.machine_id, "web", "site-a", 1, log.writer)
    assert state.newest is not None
    assert (state.newest.seq, state.newest.point.id, state.newest.point.inline, state.newest.inlined) == (3, first.body.id, b"", 12)
    assert await seen.inline(3) == b"a small pack"
    assert await seen.inline(2) == b""
    assert [hold.reason for hold in state.holds] == ["by hand"]
    assert state.void == ()
    assert (await other.find(log.machine_id)).state == state
    assert await other.machines() == [state]


async def test_names(vault: Vault) -> None:
    await vault.protect("web", "site-a")
    await vault.protect("db", "site-a")
    with pytest.raises(Conflict, match="protected already"):
        await vault.protect("web", "site-b")
    with pytest.raises(NotFound) as caught:
        await vault.find("mail")
    assert caught.value.hint == "it has db, web"
    assert [state.name for state in await vault.machines()] == ["db", "web"]


async def test_an_occupied_place_is_left_alone(vault: Vault, store: FaultyStore) -> None:
    with pytest.raises(Conflict, match="a vault here already"):
        await Vault.create(store, UNLOCK)


async def test_no_vault_here(store: FaultyStore) -> None:
    with pytest.raises(NotFound):
        await Vault.open(store, UNLOCK, None)


async def test_reading_only(vault: Vault, store: FaultyStore) -> None:
    await vault.protect("web", "site-a")
    reader = await Vault.open(store, UNLOCK, None)
    log = await reader.find("web")
    with pytest.raises(Conflict, match="reading only"):
        await log.append(kinds.Note(text="x"))


@pytest.mark.parametrize("action", [Action.FAIL_BEFORE, Action.FAIL_AFTER])
async def test_creation_through_every_failure(tmp_path: Path, action: Action) -> None:
    """One lost answer is made up for, whichever it is."""
    for step in range(100):
        place = FaultyStore(FileStore(tmp_path / f"vault-{step}", make=True))
        place.plan(Fault(action, "create", skip=step))
        vault = await Vault.create(place, UNLOCK, patience=QUICK)
        assert [slot.label for slot in await vault.keys.list()] == ["operator"]
        failed = sum(call.op == "create" for call in place.calls) > 3
        await vault.close()
        if not failed:
            break
    assert step == 3


async def test_an_interrupted_creation_is_no_vault(store: FaultyStore) -> None:
    store.plan(Fault(Action.FAIL_BEFORE, "create", names.DESCRIPTOR, times=-1), Fault(Action.FAIL_BEFORE, "delete", times=-1))
    with pytest.raises(StoreUnavailable):
        await Vault.create(store, UNLOCK, patience=QUICK)
    store.plan()
    with pytest.raises(NotFound):
        await Vault.open(store, UNLOCK, None)
    with pytest.raises(Conflict, match="not empty") as caught:
        await Vault.create(store, UNLOCK, patience=QUICK)
    assert "interrupted" in caught.value.hint


async def test_a_creation_that_failed_leaves_nothing(store: FaultyStore) -> None:
    store.plan(Fault(Action.FAIL_BEFORE, "create", names.DESCRIPTOR, times=-1))
    with pytest.raises(StoreUnavailable):
        await Vault.create(store, UNLOCK, patience=QUICK)
    store.plan()
    assert [info.name async for info in store.list("")] == []
    await (await Vault.create(store, UNLOCK, patience=QUICK)).close()


async def test_two_creations_at_once(store: FaultyStore) -> None:
    outcomes = await asyncio.gather(*(Vault.create(store, UNLOCK, patience=QUICK) for _ in range(2)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict", "Vault"]
    vault = await Vault.open(store, UNLOCK, None)
    (created,) = [outcome for outcome in outcomes if isinstance(outcome, Vault)]
    assert vault.id == created.id


async def test_many_machines_and_a_long_log(vault: Vault, store: FaultyStore) -> None:
    for number in range(20):
        await vault.protect(f"vm-{number:02d}", "site-a")
    log = await vault.find("vm-07")
    for number in range(150):
        await log.append(kinds.Note(text=str(number)))
    reader = await Vault.open(store, UNLOCK, None)
    assert (await reader.find("vm-07")).head == log.head
    assert [state.name for state in await reader.machines()] == [f"vm-{number:02d}" for number in range(20)]
    assert sorted(ids := await reader.ids()) == ids
    assert len(set(ids)) == 20


@pytest.mark.parametrize("name", ["", "x" * 256, "a\nb"])
async def test_names_no_machine_may_have(vault: Vault, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await vault.protect(name, "site-a")


async def test_machines_of_one_name(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    """Two hosts protect at the same instant: both get a machine, and whoever asks by name is told."""
    other = await Vault.open(store, UNLOCK, tmp_path / "other", patience=QUICK)
    await asyncio.gather(vault.protect("web", "site-a"), other.protect("web", "site-b"), return_exceptions=True)
    ids = [state.id for state in await vault.machines()]
    if len(ids) > 1:
        with pytest.raises(Conflict, match="2 machines are named 'web'"):
            await vault.find("web")
    for machine_id in ids:
        assert (await vault.find(machine_id)).state.name == "web"
