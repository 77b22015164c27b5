"""What a look at a machine's log asks of the store, and that nothing that another site has said stays unheard."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults import Call, FaultyStore
from tests.vault.trimmed import World, add_points, world_of
from tests.vault.worlds import QUICK, UNLOCK, passphrase
from understudy.daemon import looks as looks_module
from understudy.daemon.duties import Duties
from understudy.daemon.looks import Looks
from understudy.errors import RolledBack
from understudy.failover import duty as duties
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.log.chain import clock
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

LONG = 3600.0


@pytest.fixture
async def world(tmp_path: Path) -> World:
    """`log` is what a loop appends to, `other` another site's."""
    store = FaultyStore(FileStore(tmp_path / "vault", make=True))
    world = await world_of(store, await Vault.create(store, UNLOCK, state=tmp_path / "state", patience=QUICK), tmp_path)
    await world.other.refresh()
    return world


def asked(world: World) -> list[Call]:
    found = world.store.calls.copy()
    world.store.calls.clear()
    return found


async def looked(looks: Looks, world: World, seconds: float, written: bool = True) -> tuple[MachineLog, list[Call]]:
    asked(world)
    log = await looks.lately(world.vault, world.log.machine_id, world.log if written else None, seconds)
    return log, asked(world)


@pytest.mark.parametrize("written", [True, False], ids=["while it is replicated", "while nobody replicates it"])
async def test_one_request_where_nothing_was_said_and_none_where_it_was_looked_lately(world: World, written: bool) -> None:
    looks, following = Looks(), names.record(names.machine(world.log.machine_id), world.log.head.seq + 1)
    await looked(looks, world, LONG, written)
    log, calls = await looked(looks, world, LONG, written)
    assert calls == []
    before = clock()
    assert log.known_at < before
    log, calls = await looked(looks, world, 0.0, written)
    assert calls == [Call("head", following)]
    assert log.known_at >= before
    assert log.state == world.log.state


async def test_a_cycle_is_a_look(world: World) -> None:
    looks, before = Looks(), clock()
    await add_points(world.log, 1)
    log, calls = await looked(looks, world, LONG)
    assert (calls, log.head) == ([], world.log.head)
    assert log.known_at >= before


@pytest.mark.parametrize("written", [True, False], ids=["while it is replicated", "while nobody replicates it"])
async def test_what_another_site_says_is_heard_and_read_once(world: World, written: bool) -> None:
    looks = Looks()
    await looked(looks, world, 0.0, written)
    await world.other.append(kinds.Note(text="what another site says"))
    log, _ = await looked(looks, world, LONG, written)
    assert log.head.seq == world.other.head.seq - 1  # not asked for
    log, _ = await looked(looks, world, 0.0, written)
    assert log.head == world.other.head
    log, calls = await looked(looks, world, 0.0, written)
    assert (log.head, len(calls)) == (world.other.head, 1)
    await world.log.refresh()  # the loop has read it, too: then it is the loop's that is looked at
    await add_points(world.log, 1)
    log, calls = await looked(looks, world, LONG, written=True)
    assert (log.head, calls) == (world.log.head, [])


async def test_what_is_gone_is_noticed_in_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks()
    await looked(looks, world, 0.0)
    (world.directory / "vault" / names.record(names.machine(world.log.machine_id), world.log.head.seq)).unlink()
    await looked(looks, world, 0.0)
    monkeypatch.setattr(looks_module, "WHOLE", 0.0)
    with pytest.raises(RolledBack):
        await looked(looks, world, LONG)


async def test_who_is_trusted_is_learnt_in_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks()
    await looked(looks, world, 0.0)
    trusted = world.log.state
    elsewhere = await Vault.open(world.store, UNLOCK, world.directory / "elsewhere", patience=QUICK)
    await elsewhere.keys.add("source", "host-b", passphrase("host-b"))
    monkeypatch.setattr(looks_module, "WHOLE", 0.0)
    log, calls = await looked(looks, world, LONG)
    assert log.ahead_of(world.log)
    assert log.state == trusted
    monkeypatch.undo()
    again, calls = await looked(looks, world, LONG)
    assert (calls, again.ahead_of(world.log)) == ([], True)


async def test_nothing_is_begun_by_an_old_log() -> None:
    """What this host itself did since may be in the log by now."""
    old, fresh = SimpleNamespace(known_at=0.0, duty=duties.TakeBack()), SimpleNamespace(known_at=clock() + LONG, duty=duties.Nothing())
    said: list[bool] = []

    async def glanced(machine: str, *, calm: bool, isolation: int) -> tuple[None, Any]:
        said.append(calm)
        return None, old

    async def watched(machine: str) -> tuple[None, Any]:
        return None, fresh

    engine = cast(Any, SimpleNamespace(glanced=glanced, watched=watched))
    site = Duties(engine)

    async def duty(vault: Vault, log: Any) -> duties.Duty:
        await asyncio.sleep(0)
        return cast(duties.Duty, log.duty)

    site.of = duty  # type: ignore[method-assign]
    assert (await site.look("web", 0))[1:] == (fresh, duties.Nothing())
    fresh.duty = duties.Wait("b")
    assert (await site.look("web", 0))[1:] == (fresh, duties.Wait("b"))
    await site.look("web", 0)
    assert said == [False, True, False]
