"""A log without its first records says what the whole log said: to every reader, however far it had read, and whenever somebody died."""

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.vault.trimmed import World, add_points, repack, sweep, world_of
from tests.vault.worlds import QUICK, UNLOCK, forge
from understudy.errors import Conflict, IntegrityError, RolledBack, StoreUnavailable
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectStore
from understudy.vault import kinds, names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.vault import Vault

SOURCE = KeyFile(b"s" * 32)


@pytest.fixture
async def world(store: FaultyStore, vault: Vault, tmp_path: Path) -> World:
    return await world_of(store, vault, tmp_path)


async def test_a_trimmed_log_says_the_same(world: World) -> None:
    before = world.log.state
    await world.log.trim(before.horizon, grace=0)
    await world.must_agree()
    state = world.log.state
    assert [entry.point.id for entry in state.points] == [entry.point.id for entry in before.points]
    assert (state.holds, state.maps, state.retention, state.site) == (before.holds, before.maps, before.retention, "here")
    length = len(world.numbers())
    assert await sweep(world.log) == state.trims[-1].up_to - 1
    assert world.numbers() == [1, *range(state.trims[-1].up_to + 1, length + 1)]
    await world.must_agree()
    await add_points(world.log, 3)
    await world.must_agree()
    assert [machine.name for machine in await world.vault.machines()] == ["web"]


async def test_trimming_again_and_again(world: World) -> None:
    for _ in range(4):
        await world.log.trim(world.log.state.horizon, grace=0)
        await sweep(world.log)
        await world.must_agree()
        await add_points(world.log, 5)
        await world.log.append(kinds.Prune(points=tuple(entry.point.id for entry in world.log.state.points[2:-3])))
        await repack(world.vault, world.log)
    assert len(world.log.state.points) == 5
    assert len(world.numbers()) < 20


async def test_what_may_not_be_trimmed(world: World) -> None:
    state = world.log.state
    for up_to in (0, 1, state.horizon + 1, state.points[-1].seq, world.log.head.seq, world.log.head.seq + 5):
        with pytest.raises(Conflict):
            await world.log.trim(up_to, grace=0)
    await world.log.trim(state.horizon, grace=0)
    await sweep(world.log)
    with pytest.raises(Conflict):
        await world.log.trim(state.horizon - 1, grace=0)
    await world.must_agree()


async def test_killed_at_every_deletion(world: World) -> None:
    await world.log.trim(world.log.state.horizon, grace=0)
    left = world.log.state.horizon - 1
    for action in (Action.FAIL_BEFORE, Action.FAIL_AFTER):
        for skip in (0, 1, 2):
            world.store.plan(Fault(action, "delete", skip=skip))
            with pytest.raises(StoreUnavailable):
                await sweep(world.log)
            world.store.plan()
            left -= skip + (action is Action.FAIL_AFTER)
            assert len(world.numbers()) == left + 1 + world.log.head.seq - world.log.state.horizon
            await world.must_agree()
    assert await sweep(world.log) == left
    await world.must_agree()


async def test_a_writer_in_between_is_no_reason_not_to_sweep(world: World) -> None:
    """It is held against the log as it was read, whatever is appended meanwhile."""
    await world.log.trim(world.log.state.horizon, grace=0)
    state = names.side_object(names.machine(world.log.machine_id), world.log.state.trims[-1].state.hash.hex())
    world.store.inner = Watched(world.store.inner, state, lambda: add_points(world.other, 2))
    await world.other.claim("here")
    head = world.log.head.seq
    assert await sweep(world.log) == world.log.state.horizon - 1
    await world.must_agree()
    assert world.log.head.seq == head + 3


@dataclass
class Watched:
    """A store of which somebody, before it answers what `name` holds, does something else, once."""

    inner: ObjectStore
    name: str
    meanwhile: Callable[[], Awaitable[None]] | None

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if name == self.name and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await self.inner.get(name, start, length)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def test_failed_while_trimming(world: World) -> None:
    await fail_while_trimming(world, rounds=5)


async def fail_while_trimming(world: World, rounds: int) -> None:
    """Some call to the store fails; saying it again always ends well, and every reader agrees at all times."""
    seed = random.randrange(1 << 30)
    for skip in random.Random(seed).sample(range(60), rounds):
        world.store.plan(Fault(Action.FAIL_AFTER, skip=skip))
        try:
            await world.log.trim(world.log.state.horizon, grace=0)
            await sweep(world.log)
        except (StoreUnavailable, Conflict):
            pass
        world.store.plan()
        await world.log.settle()
        await world.must_agree()
        await add_points(world.log, 1)
        await repack(world.vault, world.log)
    assert len(world.log.state.points) == 8 + rounds, f"seed {seed}"


async def test_an_old_copy_is_still_an_old_copy(world: World, tmp_path: Path) -> None:
    await world.log.trim(world.log.state.horizon, grace=0)
    await sweep(world.log)
    shutil.copytree(tmp_path / "vault", tmp_path / "copy")
    await add_points(world.log, 1)
    old = await Vault.open(FileStore(tmp_path / "copy"), UNLOCK, tmp_path / "state", patience=QUICK)
    with pytest.raises(RolledBack):
        await old.find("web")
    # A site that has seen nothing but what is trimmed has nothing against either.
    await (await Vault.open(FileStore(tmp_path / "copy"), UNLOCK, tmp_path / "other", patience=QUICK)).find("web")


async def test_a_record_that_no_trim_speaks_of_must_be_there(world: World, tmp_path: Path) -> None:
    await world.log.trim(world.log.state.horizon, grace=0)
    await sweep(world.log)
    await world.store.delete(names.record(names.machine(world.log.machine_id), world.log.state.horizon + 1))
    with pytest.raises(IntegrityError, match="is missing"):
        await world.fresh()


async def test_only_an_operator_can_say_what_was_trimmed(world: World) -> None:
    """A source that can write and delete as it likes makes its log unreadable, and nothing else of it."""
    await world.vault.keys.add("source", "host-a", SOURCE)
    source = await Vault.open(world.store, SOURCE, None, patience=QUICK)
    await world.log.trim(world.log.state.horizon, grace=0)
    trim = world.log.state.trims[-1]
    lie = kinds.Trim(up_to=world.log.head.seq, hash=world.log.head.hash, state=trim.state)
    await forge(await source.find("web"), source._bundle, lie, vault=source)
    for number in range(2, lie.up_to + 1):
        await world.store.delete(names.record(names.machine(world.log.machine_id), number))
    with pytest.raises(IntegrityError):
        await world.fresh()


async def test_nothing_goes_if_the_state_is_not_what_the_records_say(world: World) -> None:
    state = world.log.state
    await world.log.trim(state.horizon, grace=0)
    owner = names.machine(world.log.machine_id)
    trim = world.log.state.trims[-1]
    path = world.directory / "vault" / names.side_object(owner, trim.state.hash.hex())
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    length = len(world.numbers())
    with pytest.raises(IntegrityError):
        await sweep(world.log)
    assert len(world.numbers()) == length
    path.write_bytes(whole)
    await sweep(world.log)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="the trim of"):
        await world.fresh()


async def test_writers_and_readers_at_work_meanwhile(world: World) -> None:
    """A source makes points, others read, an operator prunes, repacks, trims and sweeps, all at once."""
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    operator = world.other
    done = asyncio.Event()

    async def write() -> None:
        for _ in range(40):
            await add_points(world.log, 1)
            await asyncio.sleep(0)
        done.set()

    async def read() -> None:
        while not done.is_set():
            fresh = await world.fresh()
            assert fresh.state.points, f"seed {seed}"

    async def operate() -> None:
        while not done.is_set():
            await operator.refresh()
            points = operator.state.points
            if len(points) > 4:
                some = rng.sample(points[1:-1], rng.randrange(1, len(points) - 2))
                await operator.append(kinds.Prune(points=tuple(entry.point.id for entry in some)))
            if rng.random() < 0.7:
                await repack(world.vault, operator)
                if operator.state.horizon > max((trim.up_to for trim in operator.state.trims), default=0):
                    await operator.trim(operator.state.horizon, grace=0)
            if rng.random() < 0.7:
                await sweep(operator)

    made = len(world.log.state.entries)
    async with asyncio.TaskGroup() as group:
        for work in (write(), read(), operate()):
            group.create_task(work)
    await world.must_agree()
    assert made, f"seed {seed}"
