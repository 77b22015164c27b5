"""A writer whose request arrives when its slot was taken by another, trimmed, and is free again, acknowledges nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.vault.trimmed import World, add_points, repack, sweep, world_of
from tests.vault.worlds import QUICK, UNLOCK
from understudy.errors import InDoubt
from understudy.model import BytesLike
from understudy.store.file import FileStore
from understudy.store.protocol import Creation
from understudy.vault import kinds, names
from understudy.vault.log import chain
from understudy.vault.vault import Vault


@pytest.fixture
async def world(store: FaultyStore, vault: Vault, tmp_path: Path) -> World:
    return await world_of(store, vault, tmp_path)


async def test_a_slot_that_was_taken_and_trimmed_acknowledges_nothing(world: World) -> None:
    """A writer's request hangs in the network until its slot was taken by another, trimmed, and is free again."""

    async def meanwhile() -> None:
        await add_points(world.log, 5)
        await repack(world.vault, world.log)
        await world.log.trim(world.log.state.horizon, grace=0)
        await sweep(world.log)

    await world.other.refresh()
    stale = world.other.head.seq + 1
    slow = Hanging(world.store.inner, names.record(names.machine(world.log.machine_id), stale), meanwhile)
    hold = kinds.Hold(id=b"i" * 16, point=world.log.state.points[-1].point.id, reason="of a writer that stalled")
    world.store.inner = slow
    record = await world.other.append(hold)
    assert stale in world.numbers()
    assert record.seq > world.log.state.horizon > stale
    world.store.inner = slow.inner
    await world.must_agree()
    assert hold in world.log.state.holds
    # What came too late is nobody's record, and goes with the next sweep.
    assert await sweep(world.log) == 1
    assert stale not in world.numbers()


@dataclass
class Hanging:
    """A store one of whose creations arrives only after all that `meanwhile` does."""

    inner: FileStore
    name: str
    meanwhile: Callable[[], Awaitable[None]] | None

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        if name == self.name and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await self.inner.create(name, buffers)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@pytest.mark.parametrize("stall", [0.0, 60.0])
async def test_an_attempt_left_in_doubt_is_over_when_its_slot_was_trimmed(
    world: World, stall: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "STALL", stall)
    await world.other.refresh()
    stale = world.other.head.seq + 1
    world.store.plan(Fault(Action.LATE, "create", f"*/log/{stale:016d}", times=-1))
    lost = kinds.Note(text="never acknowledged")
    with pytest.raises(InDoubt):
        await world.other.append(lost)
    world.store.plan()
    assert world.other.in_doubt
    await add_points(world.log, 5)
    await repack(world.vault, world.log)
    await world.log.trim(world.log.state.horizon, grace=0)
    await sweep(world.log)
    assert Creation.CREATED in await world.store.land_late()
    await world.other.settle()
    assert not world.other.in_doubt
    await world.must_agree()
    assert (await world.other.append(lost)).seq > world.log.state.horizon


async def test_stalled_writers_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking closer costs a listing and finds nothing, where nothing was trimmed."""
    monkeypatch.setattr(chain, "STALL", 0.0)
    await add_points(world.log, 3)
    await world.other.append(kinds.Note(text="x"))
    await world.must_agree()


async def test_the_second_record_of_a_log_may_come_too_late_as_well(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    log = await vault.protect("web", "here")
    other = await (await Vault.open(store, UNLOCK, tmp_path / "other", patience=QUICK)).find("web")

    async def meanwhile() -> None:
        await log.claim("here")
        await add_points(log, 5)
        await repack(vault, log)
        await log.trim(log.state.horizon, grace=0)
        await sweep(log)

    slow = Hanging(store.inner, names.record(names.machine(log.machine_id), 2), meanwhile)
    store.inner = slow
    assert (await other.append(kinds.Note(text="late"))).seq > log.state.horizon
    store.inner = slow.inner
    await log.refresh()
    assert log.state == other.state
