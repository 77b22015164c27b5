"""The facade: from an empty directory to a machine's state, and back by another process's eyes."""

from pathlib import Path

import pytest

from tests.faults import FaultyStore
from tests.vault.worlds import QUICK, UNLOCK, a_point
from understudy.errors import Conflict, NotFound
from understudy.vault import kinds
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
    with pytest.raises(Conflict, match="not empty"):
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
