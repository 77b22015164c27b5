"""Restores from a real vault: every point, from every kind of target, and never a wrong byte from a damaged one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.recovery.test_materialise import image
from tests.recovery.worlds import World, bent, make_world
from understudy.errors import IntegrityError
from understudy.recovery.content import finder
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place
from understudy.recovery.report import Restored

SIZES = {"vda": 6 << 20, "vdb": (2 << 20) + 512}
pytestmark = pytest.mark.asyncio(loop_scope="module")
KINDS: tuple[ImageFormat, ...] = ("raw", "qcow2")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for all: every test leaves the vault as it was."""
    made = await make_world(tmp_path_factory.mktemp("world"), SIZES)
    await made.cycle()
    for runs in (5, 1, 200, 5):
        made.scribble(runs)
        await made.cycle()
    yield made
    await made.close()


async def restore(world: World, point: str, kind: ImageFormat, directory: Path, **options: bool) -> Restored:
    places = {name: Place(directory / name, kind) for name in SIZES}
    return await materialise(await world.content(point), places, finder(world.history), **options)


def same(world: World, point: str, kind: ImageFormat, directory: Path) -> bool:
    return all(image(kind, directory / name, size) == world.held[point][name] for name, size in SIZES.items())


@pytest.mark.parametrize("kind", KINDS)
async def test_every_point_is_what_the_disks_were(world: World, kind: ImageFormat, tmp_path: Path) -> None:
    for point in world.points:
        directory = tmp_path / point
        directory.mkdir()
        await restore(world, point, kind, directory)
        assert same(world, point, kind, directory)


@pytest.mark.parametrize("kind", KINDS)
async def test_to_and_fro_over_one_image(world: World, kind: ImageFormat, tmp_path: Path) -> None:
    await restore(world, world.points[2], kind, tmp_path)
    for point in (world.points[4], world.points[0], world.points[3], world.points[3]):
        done = await restore(world, point, kind, tmp_path)
        assert [disk.trusted for disk in done.disks] == ["known", "known"]
        assert same(world, point, kind, tmp_path)
    for name in SIZES:
        (tmp_path / f"{name}.understudy").unlink()
    done = await restore(world, world.points[1], kind, tmp_path, overwrite=True)
    assert [disk.trusted for disk in done.disks] == ["scan", "scan"]
    assert same(world, world.points[1], kind, tmp_path)
    assert sum(disk.written for disk in done.disks) < 3 << 20


async def test_a_source_image_is_rolled_back_in_place(world: World, tmp_path: Path) -> None:
    """The disk that the points were made of, changed since: what failback does to an old primary."""
    world.scribble(3)
    places = {name: Place(path, "raw") for name, path in world.disks.items()}
    point = world.points[1]
    await materialise(await world.content(point), places, finder(world.history), overwrite=True)
    assert all(path.read_bytes() == world.held[point][name] for name, path in world.disks.items())


async def attempt(world: World, point: str, directory: Path) -> str:
    """Restore to new raw images; the error's words if it failed. Never wrong bytes, never a file under its name."""
    await asyncio.to_thread(directory.mkdir)
    try:
        await restore(world, point, "raw", directory)
    except IntegrityError as error:
        assert not any((directory / name).exists() for name in SIZES)
        return error.message
    assert same(world, point, "raw", directory)
    return ""


@pytest.mark.parametrize("how", ["bit", "truncation", "deletion", "swap"])
async def test_a_damaged_vault_gives_right_bytes_or_an_error(world: World, how: str, tmp_path: Path) -> None:
    objects = world.objects()
    assert len(objects) >= 2
    failed = 0
    for number, path in enumerate(objects):
        with bent(path, how, world.random, objects[number - 1]):
            for point in world.points[::2]:
                said = await attempt(world, point, tmp_path / f"{number}-{point}")
                assert not said or path.name in said
                failed += bool(said)
    assert failed


async def test_a_failed_restore_is_gone_on_with(world: World, tmp_path: Path) -> None:
    point = world.points[0]
    packs = await world.history.packs_of(world.history.points[0])
    (victim,) = [path for path in world.objects() if path.name == packs[0].id.hex()]
    with bent(victim, "deletion", world.random, victim):
        assert victim.name in await attempt(world, point, tmp_path / "restored")
    await restore(world, point, "raw", tmp_path / "restored")
    assert same(world, point, "raw", tmp_path / "restored")
