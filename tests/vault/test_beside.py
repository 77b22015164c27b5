"""A log read beside another one that has read it before says what the log itself says, and believes nothing less than proven."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from tests.vault.trimmed import World, add_points, repack, sweep, world_of
from tests.vault.worlds import QUICK, UNLOCK, a_point, bundle_of, forge, passphrase
from understudy.errors import IntegrityError, RolledBack, StoreUnavailable
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.record import MAX_RECORD
from understudy.vault.vault import Vault


@pytest.fixture
async def world(store: FaultyStore, vault: Vault, tmp_path: Path) -> World:
    return await world_of(store, vault, tmp_path)


def _record(world: World, seq: int, place: str = "vault") -> Path:
    return world.directory / place / names.record(names.machine(world.log.machine_id), seq)


async def _must_agree(world: World) -> None:
    """What is read beside a log that is behind, and what a new reader reads."""
    beside, fresh = await world.other.beside(), await world.fresh()
    assert (beside.state, beside.head, beside.refs) == (fresh.state, fresh.head, fresh.refs)


async def test_only_what_is_new_is_fetched(world: World) -> None:
    await world.other.refresh()
    await add_points(world.log, 2)
    last = world.other.head.seq
    world.store.calls.clear()
    beside = await world.other.beside()
    fetched = [call.name for call in world.store.calls if call.op == "get"]
    assert fetched == [names.record(names.machine(beside.machine_id), seq) for seq in (last, last + 1, last + 2)]
    assert beside.head == world.log.head
    await _must_agree(world)


async def test_whatever_another_site_says(world: World) -> None:
    """Every kind of record that changes what is shown, each seen by a log that has not read it."""
    await _must_agree(world)
    await world.other.refresh()
    log = world.log
    await log.append(kinds.Prune(points=(log.state.points[1].point.id,)))
    await _must_agree(world)
    await log.append(kinds.Hold(id=b"i" * 16, point=log.state.points[1].point.id, reason="why"))
    await _must_agree(world)
    await add_points(log, 5)
    await repack(world.vault, log)
    await log.trim(log.state.horizon, grace=0)
    await _must_agree(world)
    await sweep(log)
    assert not _record(world, world.other.head.seq).exists()
    await _must_agree(world)
    assert (await world.other.beside()).state.trimmed > world.other.head.seq


async def test_neither_moves_the_other(world: World) -> None:
    before, head = world.log.state, world.log.head
    beside = await world.log.beside()
    await beside.append(kinds.Hold(id=b"i" * 16, point=before.points[0].point.id, reason="why"))
    assert (world.log.state, world.log.head) == (before, head)
    await world.log.refresh()
    assert (world.log.state, world.log.head) == (beside.state, beside.head)
    await add_points(world.log, 1)
    assert beside.head.seq == world.log.head.seq - 1


async def test_while_a_record_is_being_put(world: World) -> None:
    """At every moment of an append it is whole."""
    looks: list[asyncio.Task[MachineLog]] = []

    def look(call: Call) -> None:
        if asyncio.current_task() not in looks:
            looks.append(asyncio.create_task(world.log.beside()))

    world.store.before = look
    await add_points(world.log, 2)
    world.store.before = None
    fresh = await world.fresh()
    found = [await look for look in looks]
    assert len(found) > 4
    for beside in found:
        await beside.refresh()
        assert (beside.state, beside.head) == (fresh.state, fresh.head)


async def test_the_last_record_is_another_one(world: World, tmp_path: Path) -> None:
    """A vault of the same length whose end was exchanged."""
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    await add_points(world.log, 1)
    thief = await Vault.open(FileStore(tmp_path / "copy"), UNLOCK, None, patience=QUICK)
    forged = await thief.find("web")
    bundle = await bundle_of(thief, UNLOCK)
    await forge(forged, bundle, a_point(parent=forged.state.points[-1].point.id), writer=world.log.writer, vault=thief)
    seq = world.log.head.seq
    _record(world, seq).write_bytes(_record(world, seq, "copy").read_bytes())
    with pytest.raises(RolledBack, match="has another one there"):
        await world.log.beside()


@pytest.mark.parametrize("wipe", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(bytes(MAX_RECORD + 1))])
async def test_the_last_record_is_gone_or_is_none(world: World, wipe: Callable[[Path], object]) -> None:
    wipe(_record(world, world.log.head.seq))
    with pytest.raises(RolledBack):
        await world.log.beside()


async def test_what_comes_after_is_no_record(world: World) -> None:
    _record(world, world.log.head.seq + 1).write_bytes(bytes(1000))
    with pytest.raises(IntegrityError):
        await world.log.beside()


@pytest.mark.parametrize("op", ["get", "head", "list"])
async def test_a_store_that_does_not_answer_is_not_believed_to_be_empty(world: World, op: str) -> None:
    await world.other.refresh()
    await add_points(world.log, 1)
    world.store.plan(Fault(Action.FAIL_BEFORE, op, f"{names.MACHINES}*", times=-1))
    with pytest.raises(StoreUnavailable):
        await world.other.beside()
    world.store.plan()
    await _must_agree(world)


async def test_a_key_that_was_taken_away_counts_no_more(world: World, store: FaultyStore, tmp_path: Path) -> None:
    """Then all that was read is judged again."""
    slot = await world.vault.keys.add("operator", "second", passphrase("second"))
    second = await Vault.open(store, passphrase("second"), tmp_path / "second", patience=QUICK)
    forger = await bundle_of(second, passphrase("second"))
    await world.log.refresh()
    await world.vault.keys.remove(slot.id)
    await forge(world.log, forger, kinds.Retention(daily=1), vault=world.vault)
    beside = await world.log.beside()
    assert beside.state.retention == world.log.state.retention
    assert [void.seq for void in beside.state.void] == [beside.head.seq]
    await _must_agree(world)


async def test_who_is_behind_knows_it(world: World) -> None:
    await world.other.refresh()
    world.store.calls.clear()
    assert not await world.other.behind()
    assert len(world.store.calls) == 4
    aside = world.other.aside()
    assert (aside.state, aside.head, aside.refs) == (world.other.state, world.other.head, world.other.refs)
    assert len(world.store.calls) == 4
    await add_points(world.log, 1)
    assert await world.other.behind()
    await world.other.refresh()
    assert not await world.other.behind()
    await aside.refresh()
    assert (aside.state, aside.head, aside.refs) == (world.other.state, world.other.head, world.other.refs)
    await world.vault.keys.add("source", "new", passphrase("new"))
    assert await world.other.behind()


@pytest.mark.parametrize("wipe", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(bytes(100))])
async def test_who_has_read_what_is_gone_or_another_is_told_to_look(world: World, wipe: Callable[[Path], object]) -> None:
    assert not await world.log.behind()
    wipe(_record(world, world.log.head.seq))
    assert await world.log.behind()


@pytest.mark.parametrize("op", ["get", "head"])
async def test_a_store_that_does_not_answer_does_not_say_that_there_is_nothing_new(world: World, op: str) -> None:
    world.store.plan(Fault(Action.FAIL_BEFORE, op, f"{names.MACHINES}*", times=-1))
    with pytest.raises(StoreUnavailable):
        await world.log.behind()
