"""Following from point to point without reading the image: right, or found to be in doubt and read."""

import asyncio
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from tests.recovery import dying
from tests.recovery.memory import MemoryDisk, disk, expected, finder, history, point
from tests.recovery.test_materialise import image
from understudy import extents as ext
from understudy.errors import Conflict, IntegrityError
from understudy.model import BLOCK_SIZE
from understudy.recovery import standing as st
from understudy.recovery.disk_work import MachineContent
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place
from understudy.recovery.report import RestoredDisk

MIB = 1 << 20
SIZE = 4 * MIB + 512
KINDS: tuple[ImageFormat, ...] = ("raw", "qcow2")
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.recovery.test_trusting"])


async def follow(kind: ImageFormat, wanted: MachineContent, directory: Path, points: list[MachineContent]) -> RestoredDisk:
    done = await materialise(wanted, {"vda": Place(directory / "image", kind)}, finder(points), trusting=True)
    return done.disks[0]


def right(kind: ImageFormat, directory: Path, wanted: MachineContent) -> bool:
    return image(kind, directory / "image", wanted.disks["vda"].disk.size) == expected(wanted)


@pytest.mark.parametrize("kind", KINDS)
async def test_only_the_first_is_read(kind: ImageFormat, tmp_path: Path) -> None:
    points = history(SIZE, 4)
    done = [await follow(kind, points[number], tmp_path, points) for number in (0, 1, 3, 2, 2)]
    assert [disk.proven for disk in done] == [True, False, False, False, False]
    assert right(kind, tmp_path, points[2])
    assert done[4].written == done[4].zeroed == 0
    standing = st.read(tmp_path / "image")
    assert standing is not None
    assert standing.holds == points[2].point
    assert standing.proven


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(8 * MIB, 3 * MIB + 1000, 6 * MIB), (3 * MIB + 512, 8 * MIB, 2 * MIB)])
async def test_a_resized_image_is_read(kind: ImageFormat, sizes: tuple[int, ...], tmp_path: Path) -> None:
    full = history(8 * MIB, 1)[0].disks["vda"]
    assert isinstance(full, MemoryDisk)
    points = [point(number, disk("vda", full.blocks, size)) for number, size in enumerate(sizes, 1)]
    for wanted in points:
        assert (await follow(kind, wanted, tmp_path, points)).proven
        assert right(kind, tmp_path, wanted)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_was_given_up_is_gone_on_with(kind: ImageFormat, tmp_path: Path) -> None:
    """From P towards Q, then towards R, each broken off; then S: nothing but what may differ is written, and nothing read."""
    points = history(16 * MIB, 5)
    await follow(kind, points[0], tmp_path, points)
    for number in (1, 2):
        new, old = points[number].disks["vda"], points[number - 1].disks["vda"]
        assert isinstance(new, MemoryDisk)
        assert isinstance(old, MemoryDisk)
        new.damaged = int(ext.intersection(new.differing(old), new.data())[-1, 0])
        with pytest.raises(IntegrityError):
            await follow(kind, points[number], tmp_path, points)
        new.damaged = None
    standing = st.read(tmp_path / "image")
    assert standing is not None
    assert standing.mixed == tuple(item.point for item in points[:3])
    done = await follow(kind, points[4], tmp_path, points)
    assert (done.trusted, done.proven) == ("known", False)
    assert done.written + done.zeroed < 4 * MIB
    assert right(kind, tmp_path, points[4])


async def test_a_mixture_that_was_touched_is_scanned(tmp_path: Path) -> None:
    points = history(SIZE, 3)
    await follow("raw", points[0], tmp_path, points)
    new, old = points[1].disks["vda"], points[0].disks["vda"]
    assert isinstance(new, MemoryDisk)
    assert isinstance(old, MemoryDisk)
    new.damaged = int(ext.intersection(new.differing(old), new.data())[-1, 0])
    with pytest.raises(IntegrityError):
        await follow("raw", points[1], tmp_path, points)
    os.utime(tmp_path / "image")
    done = await follow("raw", points[2], tmp_path, points)
    assert (done.trusted, done.proven) == ("scan", True)
    assert right("raw", tmp_path, points[2])


async def test_what_nobody_could_see_is_found_by_the_proof(tmp_path: Path) -> None:
    points = history(SIZE, 3)
    await follow("raw", points[0], tmp_path, points)
    path = tmp_path / "image"
    touched = BLOCK_SIZE * int(points[0].disks["vda"].data()[0, 0])
    with path.open("r+b") as file:
        file.seek(touched)
        file.write(b"rot")
    standing = st.read(path)
    assert standing is not None
    # As if the disk below had turned it, with no write that any time would show.
    st.write(
        path, st.Standing(subject=standing.subject, holds=standing.holds, inode=standing.inode, proven=1, identity=await st.settled(path))
    )
    assert not (await follow("raw", points[1], tmp_path, points)).proven
    done = await materialise(points[1], {"vda": Place(path, "raw")}, finder(points))
    assert (done.disks[0].trusted, done.disks[0].reason) == ("scan", "it did not hold what its record said")
    assert right("raw", tmp_path, points[1])


async def test_somebody_elses_write_is_never_taken_for_ours(tmp_path: Path) -> None:
    points = history(SIZE, 2)
    await follow("raw", points[0], tmp_path, points)
    with (tmp_path / "image").open("r+b") as file:
        file.write(b"precious")
    with pytest.raises(Conflict, match="was written to"):
        await follow("raw", points[1], tmp_path, points)


def die(directory: str, kind: ImageFormat, number: int, step: int) -> None:
    points = history(SIZE, 3)
    dying.after(step)
    asyncio.run(follow(kind, points[number], Path(directory), points))


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_step(kind: ImageFormat, tmp_path: Path) -> None:
    """Before each call that writes, syncs or renames: whoever follows on is right at the end."""
    points = history(SIZE, 3)
    codes: list[int | None] = []
    while not codes or codes[-1] != 0:
        asyncio.run(follow(kind, points[0], tmp_path, points))
        process = CONTEXT.Process(target=die, args=(str(tmp_path), kind, 1, len(codes) + 1))
        process.start()
        process.join()
        codes.append(process.exitcode)
        wanted = points[len(codes) % 3]
        asyncio.run(follow(kind, wanted, tmp_path, points))
        assert right(kind, tmp_path, wanted)
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) > 6
