"""Verification finds what is damaged, all of it, and names the points that need it; and finds nothing where nothing is."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.recovery.worlds import World, bent, make_world
from understudy.errors import AccessDenied, NotFound
from understudy.recovery.progress import Progress
from understudy.recovery.scrub import scrub_vault
from understudy.recovery.verdict import Level
from understudy.recovery.verify import verify_points
from understudy.store.file import FileStore
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.points import Dropped, PointEntry
from understudy.vault.maps.resolve import resolve

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOWS = ("bit", "truncation", "deletion", "swap", "growth")
LEVELS: tuple[Level, ...] = ("scrub", "frames", "digest")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for all: every test leaves the vault as it was."""
    made = await make_world(tmp_path_factory.mktemp("world"), {"vda": 6 << 20, "vdb": (2 << 20) + 512})
    await made.cycle()
    for runs in (1, 200, 5):
        made.scribble(runs)
        await made.cycle()
    yield made
    await made.close()


async def users(world: World, pack: str) -> set[str]:
    """Points whose maps refer to a pack, or that brought it."""
    found: set[str] = set()
    for entry in world.history.points:
        mapped = await resolve(world.history, entry.point.id)
        used = {disk.packs[index].id.hex() for disk in mapped.disks.values() for index in disk.rows["pack"].tolist()}
        used |= {at.id.hex() for at in await world.history.packs_of(entry)}
        if pack in used:
            found.add(entry.point.id.hex())
    return found


async def test_of_several_points_those_that_were_dropped_since_they_were_listed_are_left_out(world: World) -> None:
    gone, *kept = world.history.points
    pruned = replace(world.history, points=tuple(kept), dropped={gone.point.id: Dropped(gone.seq, 99, 0)})
    found = await verify_points(pruned, world.points, "scrub")
    assert found.whole
    assert [point.point for point in found.points] == [entry.point.id.hex() for entry in kept]
    with pytest.raises(NotFound, match="was dropped by retention"):
        await verify_points(pruned, [gone.point.id.hex()], "scrub")


@pytest.mark.parametrize("level", LEVELS)
async def test_a_whole_vault_is_found_whole(world: World, level: Level) -> None:
    seen: list[Progress] = []
    found = await verify_points(world.history, world.points, level, seen.append)
    assert found.whole
    assert [(point.point, point.whole) for point in found.points] == [(point, True) for point in world.points]
    assert found.objects >= 2
    assert found.read > 0
    assert {item.step for item in seen} == {"check"}
    scrubbed = await scrub_vault(world.vault.store)
    assert scrubbed.whole
    assert scrubbed.objects >= 2
    assert scrubbed.read == sum(path.stat().st_size for kind in ("packs", "objects") for path in world.objects(kind))


@pytest.mark.parametrize("how", HOWS)
async def test_each_damaged_pack_is_found_with_the_points_that_need_it(world: World, how: str) -> None:
    objects = world.objects()
    for number, path in enumerate(objects):
        needed_by = await users(world, path.name)
        with bent(path, how, world.random, objects[number - 1]):
            await examine(world, path.name, how, needed_by)


async def examine(world: World, pack: str, how: str, needed_by: set[str]) -> None:
    without_keys = await scrub_vault(world.vault.store)
    # Without the log nothing tells what should be there.
    assert [damage.name.rsplit("/", 1)[1] for damage in without_keys.damage] == ([] if how == "deletion" else [pack])
    scrubbed = await verify_points(world.history, world.points, "scrub")
    assert {point.point for point in scrubbed.points if not point.whole} == needed_by
    deep = await verify_points(world.history, world.points, "digest")
    assert {point.point for point in deep.points if not point.whole} <= needed_by
    assert how == "bit" or not deep.whole
    assert scrubbed.damage
    for damage in scrubbed.damage + deep.damage:
        assert pack in damage.name + damage.reason


async def test_a_damaged_frame_touches_only_points_that_need_it(world: World) -> None:
    """What a later point brought is of no concern to older ones, and the rest of its pack is still good."""
    entry = world.history.points[2]
    pack = (await world.history.packs_of(entry))[0]
    (path,) = [path for path in world.objects() if path.name == pack.id.hex()]
    with bent(path, "swap", world.random, path):
        with path.open("r+b") as file:
            file.seek(200)
            was = file.read(1)[0]
            file.seek(200)
            file.write(bytes([was ^ 1]))
        found = await verify_points(world.history, world.points, "frames")
    (damage,) = found.damage
    assert damage.name.endswith(path.name)
    assert "frame 0" in damage.reason
    assert set(damage.points) <= set(world.points[2:])
    assert [point.whole for point in found.points[:3]] == [True, True, False]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("how", HOWS)
async def test_a_damaged_definition_is_found_with_its_points(world: World, how: str, level: Level) -> None:
    for path in world.objects("objects"):
        with bent(path, how, world.random, world.objects()[0]):
            found = await verify_points(world.history, world.points, level)
        (damage,) = found.damage
        assert path.name in damage.name
        needed_by = [entry.point.id.hex() for entry in world.history.points if named(entry) == path.name]
        assert list(damage.points) == needed_by


def named(entry: PointEntry) -> str:
    assert entry.point.definition is not None
    return entry.point.definition.hash.hex()


async def test_a_checkpoint_that_lies_is_found_and_not_believed(world: World) -> None:
    """A source may write a checkpoint of any point. This one says that what the last point brought never was."""
    history = world.history
    *older, newest = history.points
    silent = replace(newest, point=msgspec.structs.replace(newest.point, packs=()), inlined=0)
    lie = await take_checkpoint(replace(history, points=(*older, silent), entries=(*older, silent)), newest.point.id)
    honest = await take_checkpoint(history, older[0].point.id)
    told = replace(history, checkpoints=(lie, honest, *history.checkpoints))
    for level in LEVELS:
        found = await verify_points(told, world.points, level)
        assert [damage.name for damage in found.damage] == [f"checkpoint {lie.id.hex()}"]
        assert all(point.whole for point in found.points)
    world.checkpoint(lie.id).unlink()
    world.checkpoint(honest.id).unlink()


async def test_an_empty_place_is_no_whole_vault(world: World, tmp_path: Path) -> None:
    """Such as the directory on which the vault's file system is not mounted."""
    with pytest.raises(NotFound):
        await scrub_vault(FileStore(tmp_path))
    descriptor = world.directory / "vault" / "vault"
    with bent(descriptor, "bit", world.random, descriptor):
        assert [damage.name for damage in (await scrub_vault(world.vault.store)).damage] == ["vault"]


async def test_names_that_nobody_gave_are_no_objects(world: World) -> None:
    whole = world.objects()[0].read_bytes()
    strange = [world.objects(kind)[0].with_name(name) for kind in ("packs", "objects") for name in ("ab" * 100, "ab", "ab" * 15 + "0x")]
    for path in strange:
        path.write_bytes(whole)
    assert (await scrub_vault(world.vault.store)).whole
    for path in strange:
        path.unlink()


async def test_several_damages_are_all_found(world: World) -> None:
    one, other = world.objects()[:2]
    with bent(one, "deletion", world.random, other), bent(other, "swap", world.random, world.objects()[2]):
        found = await verify_points(world.history, world.points, "scrub")
        assert [damage.name.rsplit("/", 1)[1] for damage in (await scrub_vault(world.vault.store)).damage] == [other.name]
    said = " ".join(damage.name + damage.reason for damage in found.damage)
    assert one.name in said
    assert other.name in said


async def test_a_digest_that_does_not_fit_is_found_only_by_adding_up(world: World) -> None:
    history = world.history
    *older, newest = history.points
    disks = (msgspec.structs.replace(newest.point.disks[0], digest=bytes(16)), *newest.point.disks[1:])
    forged = replace(history, points=(*older, replace(newest, point=msgspec.structs.replace(newest.point, disks=disks))))
    assert (await verify_points(forged, world.points, "frames")).whole
    found = await verify_points(forged, world.points, "digest")
    assert [(damage.name, damage.points) for damage in found.damage] == [
        (f"disk vda of point {world.points[-1]}", (world.points[-1],)),
    ]


async def test_frames_take_the_recovery_key_and_a_scrub_does_not(world: World) -> None:
    source = replace(world.history, access=replace(world.history.access, recovery_private={}))
    assert (await verify_points(source, world.points, "scrub")).whole
    with pytest.raises(AccessDenied):
        await verify_points(source, world.points, "frames")


async def test_an_unknown_point(world: World) -> None:
    with pytest.raises(NotFound):
        await verify_points(world.history, ["ab" * 16], "scrub")
