"""What no kept point needs goes, in time and not before, and every kept point stays what it was."""

from pathlib import Path

import numpy as np
import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.replication.world import read_point
from tests.vault.collect.stage import HOUR, Stage
from understudy.errors import AccessDenied, IntegrityError, StoreRefused, StoreUnavailable
from understudy.vault import kinds, names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.maps.reading import history_of
from understudy.vault.maps.resolve import resolve
from understudy.vault.vault import Vault


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    return await Stage.begin(tmp_path, np.random.default_rng(11))


def packs(stage: Stage) -> int:
    return sum(size for name, size in stage.stored().items() if name.startswith("packs/"))


async def test_dropped_space_comes_back(stage: Stage) -> None:
    await stage.cycles(12, writes=12)
    before = packs(stage)
    nothing = await stage.collect()
    assert (nothing.deleted, nothing.condemned, nothing.rewritten) == ((0, 0), (0, 0), 0), "all points are kept"
    kept = await stage.kept()
    await stage.prune(kept[:-1])
    done = await stage.collect()
    await stage.check()
    assert done.deleted[1] > 0
    # One point is left, of a disk of 600 kB: nothing but what it needs, with half of every pack at most in vain.
    assert packs(stage) < 2 * 620_000 < before
    again = await stage.collect()
    assert (again.deleted, again.rewritten, again.condemned) == ((0, 0), 0, (0, 0)), "it is repeatable, and does nothing then"
    await stage.cycles(2)
    await stage.check()


async def test_a_collection_that_does_not_fit_leaves_nothing_behind(stage: Stage) -> None:
    await stage.cycles(12, writes=12)
    await stage.prune((await stage.kept())[:-3])
    before = stage.stored()
    async with stage.operator(schedule=[Fault(Action.REFUSE, "create", "*/maps/*", skip=2, times=-1)]) as (vault, log):
        with pytest.raises(StoreRefused):
            await stage.collector(vault, log).run()
        assert isinstance(vault.store, FaultyStore)
        made = [call.name.split("/")[2] for call in vault.store.calls if call.op == "create"]
        assert "packs" in made
        assert made.count("maps") == 3
    assert stage.stored() == before
    assert (await stage.collect()).rewritten
    await stage.check()


async def test_where_nothing_can_be_moved_the_rest_comes_back(stage: Stage) -> None:
    await stage.cycles(16, writes=12)
    await stage.prune((await stage.kept())[:-1])
    before = packs(stage)
    with pytest.raises(StoreUnavailable) as failure:
        await stage.collect(schedule=[Fault(Action.FAIL_BEFORE, "create", "*/packs/*", times=-1)])
    assert "let go of meanwhile" in failure.value.hint
    assert packs(stage) < before
    await stage.check()
    with_room = await stage.collect()
    assert min(with_room.rewritten, with_room.deleted[1]) > 0
    await stage.check()


async def test_grace_is_kept_whatever_the_clock_says(stage: Stage) -> None:
    await stage.cycles(8, writes=12)
    kept = await stage.kept()
    await stage.prune(kept[2:-1])
    before = stage.stored()
    first = await stage.collect(grace=HOUR)
    assert first.condemned[1] > 0 == first.deleted[1]
    assert before.keys() <= stage.stored().keys(), "readers go on"
    stage.uptime += HOUR - 1
    assert (await stage.collect(grace=HOUR)).deleted == (0, 0)
    # Started anew: of the time that it was down nothing is known, and the start is not the time of the sighting.
    stage.boot, stage.uptime = "second", 0.5
    assert (await stage.collect(grace=HOUR)).deleted == (0, 0)
    stage.uptime += 1
    # Another host has not seen it for an hour.
    assert (await stage.collect(grace=HOUR, state="elsewhere")).deleted == (0, 0)
    second = await stage.collect(grace=HOUR)
    assert second.deleted == first.condemned
    await stage.check()


async def test_an_old_reader_goes_on_within_grace(stage: Stage) -> None:
    await stage.cycles(8, writes=12)
    async with stage.operator("reader") as (vault, log):
        await stage.prune((await stage.kept())[:-2])
        await stage.collect(grace=HOUR)
        for entry in log.state.points:
            assert await read_point(vault, log, entry) == stage.held[entry.point.id.hex()], "by the maps of before"


async def test_a_hold_keeps_packs_where_they_are(stage: Stage) -> None:
    await stage.cycles(8, writes=12)
    kept = await stage.kept()
    await stage.hold(kept[3])
    before = stage.stored()
    await stage.prune(kept)
    await stage.collect()
    await stage.check()
    assert set(await stage.kept()) == {kept[3], kept[-1]}
    async with stage.operator() as (vault, log):
        now = await resolve(history_of(vault, log), bytes.fromhex(kept[3]))
        used = {
            f"packs/{disk.packs[i].id.hex()}" for disk in now.disks.values() for i in np.unique(disk.rows["pack"]) if not disk.packs[i].seq
        }
    assert used <= before.keys()


async def test_a_read_error_stops_everything(stage: Stage) -> None:
    await stage.cycles(6, writes=12)
    kept = await stage.kept()
    await stage.prune(kept[1:4])
    name = next(name for name in stage.stored() if name.startswith("packs/"))
    path = next((stage.world.root / "vault").rglob(name.partition("/")[2]))
    good = path.read_bytes()
    path.write_bytes(good[:-200])
    before = stage.stored()
    with pytest.raises(IntegrityError):
        await stage.collect()
    assert stage.stored() == before
    path.write_bytes(good)
    await stage.collect()
    await stage.check()


async def test_garbage_goes_when_its_maker_has_gone_on(stage: Stage) -> None:
    await stage.cycles(2)
    async with stage.operator() as (vault, log):
        owner = names.machine(log.machine_id)
        await vault.store.create(names.pack(log.machine_id, "5a" * 16), [b"a cycle that failed"])
        await vault.store.create(names.side_object(owner, "5b" * 32), [b"so did this"])
        await vault.store.create(names.checkpoint(log.machine_id, "5c" * 16), [b"and this"])
        await vault.store.create(f"{owner}/packs/notes.txt", [b"not ours"])
    garbage = {"packs/" + "5a" * 16, "objects/" + "5b" * 32, "maps/" + "5c" * 16}
    for _ in range(2):
        await stage.collect()
        assert garbage <= stage.stored().keys(), "a cycle under way may yet name them"
    async with stage.operator() as (_, log):
        await log.claim("here")
        await log.append(kinds.Intent(id=b"i" * 16))
    await stage.collect()
    assert garbage <= stage.stored().keys(), "an initial replication is under way"
    await stage.cycles(1)
    await stage.collect()
    assert not garbage & stage.stored().keys()
    assert "packs/notes.txt" in stage.stored()
    await stage.check()


async def test_takes_an_operators_key(stage: Stage) -> None:
    thief = KeyFile(b"t" * 32)
    await stage.cycles(2)
    async with stage.operator() as (vault, _):
        await vault.keys.add("source", "host-a", thief)
        source = await Vault.open(vault.store, thief, stage.world.root / "thief")
        with pytest.raises(AccessDenied):
            await stage.collector(source, await source.find("machine")).run()


async def test_a_lost_list_stops_everything(stage: Stage) -> None:
    """Without a repack's list, or a condemnation's, nothing tells what may go."""
    await stage.cycles(6, writes=12)
    await stage.prune((await stage.kept())[:-2])
    await stage.collect(grace=HOUR)
    async with stage.operator() as (vault, log):
        owner = names.machine(log.machine_id)
        assert await vault.store.delete(names.side_object(owner, log.state.condemned[0].objects.hash.hex()))
    before = stage.stored()
    stage.uptime += 2 * HOUR
    with pytest.raises(IntegrityError, match="a condemn, needs"):
        await stage.collect()
    assert stage.stored() == before
