"""Block devices and a file system that really is full. Only root can make either."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.recovery.memory import expected, finder, history
from tests.recovery.test_materialise import image
from understudy.errors import Conflict, TargetFailed
from understudy.recovery.materialise import materialise
from understudy.recovery.place import ImageFormat, Place

SIZE = (8 << 20) + 512


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def device(backing: Path, size: int, sector: int = 512) -> Iterator[Path]:
    """A loop device full of noise."""
    backing.write_bytes(np.random.default_rng(3).bytes(size))
    made = Path(run("losetup", "--find", "--show", f"--sector-size={sector}", backing))
    try:
        yield made
    finally:
        run("losetup", "--detach", made)


@contextmanager
def mounted(target: Path, *arguments: str | Path) -> Iterator[Path]:
    target.mkdir()
    run("mount", *arguments, target)
    try:
        yield target
    finally:
        run("umount", target)


if os.geteuid() == 0:

    async def test_a_device_takes_every_point_and_keeps_what_lies_past_it(tmp_path: Path) -> None:
        points = history(SIZE, 3)
        room = SIZE + (1 << 20) - SIZE % 4096
        with device(tmp_path / "backing", room) as path:
            rest = path.read_bytes()[SIZE:]
            with pytest.raises(Conflict, match="would be lost"):
                await materialise(points[0], {"vda": Place(path, "raw")}, finder(points))
            with pytest.raises(Conflict, match="takes the disk as it is"):
                await materialise(points[0], {"vda": Place(path, "qcow2")}, finder(points), overwrite=True)
            for wanted in (points[0], points[2], points[1]):
                done = await materialise(wanted, {"vda": Place(path, "raw")}, finder(points), overwrite=True)
                assert done.disks[0].trusted == "scan"
                assert path.read_bytes()[:SIZE] == expected(wanted)
            assert path.read_bytes()[SIZE:] == rest
            assert done.disks[0].written < SIZE // 2

    async def test_a_device_that_does_not_fit(tmp_path: Path) -> None:
        points = history(SIZE, 1)
        with device(tmp_path / "small", 4 << 20) as path:
            places = {"vda": Place(path, "raw")}
            with pytest.raises(TargetFailed, match="has 4194304 bytes, the disk needs"):
                await materialise(points[0], places, finder(points), overwrite=True)
        with device(tmp_path / "coarse", 16 << 20, 4096) as path:
            places = {"vda": Place(path, "raw")}
            with pytest.raises(TargetFailed, match="would not find its partitions"):
                await materialise(points[0], places, finder(points), overwrite=True)
            fitting = history(8 << 20, 1, sector=4096)
            await materialise(fitting[0], places, finder(fitting), overwrite=True)
            assert path.read_bytes()[: 8 << 20] == expected(fitting[0])

    async def test_a_mounted_device_is_refused(tmp_path: Path) -> None:
        points = history(SIZE, 1)
        with device(tmp_path / "backing", 16 << 20) as path:
            run("mkfs.ext4", "-q", path)
            with mounted(tmp_path / "mount", path), pytest.raises(TargetFailed, match="busy") as caught:
                await materialise(points[0], {"vda": Place(path, "raw")}, finder(points), overwrite=True)
            assert "mounted" in caught.value.hint

    @pytest.mark.parametrize("kind", ["raw", "qcow2"])
    async def test_no_space_left(kind: ImageFormat, tmp_path: Path) -> None:
        points = history(SIZE * 4, 1)
        with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=6m", "tmpfs") as directory:
            place = Place(directory / "image", kind)
            with pytest.raises(TargetFailed, match=r"disk 'vda': .*No space left") as caught:
                await materialise(points[0], {"vda": place}, finder(points))
            assert "free some space" in caught.value.hint
            assert not place.path.exists()
            run("mount", "-o", "remount,size=64m", directory)
            await materialise(points[0], {"vda": place}, finder(points))
            assert image(kind, place.path, SIZE * 4) == expected(points[0])

    async def test_what_the_disk_did_not_take_is_not_proven_by_the_cache(tmp_path: Path) -> None:
        """A device that promises more than it has: what was written is in the page cache, and nowhere else."""
        size = 32 << 20
        points = history(size, 1)
        with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=6m", "tmpfs") as directory, device(directory / "thin", 4096) as path:
            os.truncate(directory / "thin", size)
            run("losetup", "--set-capacity", path)
            for _ in range(2):  # once it failed, the kernel takes what is in the cache for what the disk has
                with pytest.raises(TargetFailed, match=r"disk 'vda': .*flushing failed: Input/output error"):
                    await materialise(points[0], {"vda": Place(path, "raw")}, finder(points), overwrite=True)
            run("mount", "-o", "remount,size=64m", directory)
            await materialise(points[0], {"vda": Place(path, "raw")}, finder(points), overwrite=True)
            assert (directory / "thin").read_bytes() == expected(points[0])
