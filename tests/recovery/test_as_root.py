"""Block devices and a file system that really is full. Only root can make either."""

import mmap
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from tests.recovery.memory import disk, expected, finder, history, point
from tests.recovery.test_materialise import image
from understudy.errors import Conflict, TargetFailed
from understudy.model import BLOCK_SIZE
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
            for _ in range(2):
                with pytest.raises(TargetFailed, match=r"disk 'vda': .*flushing failed: Input/output error"):
                    await materialise(points[0], {"vda": Place(path, "raw")}, finder(points), overwrite=True)
            run("mount", "-o", "remount,size=64m", directory)
            await materialise(points[0], {"vda": Place(path, "raw")}, finder(points), overwrite=True)
            assert (directory / "thin").read_bytes() == expected(points[0])

    async def test_pages_that_could_not_be_written_back_prove_nothing(tmp_path: Path) -> None:
        """The kernel takes them for what the disk has, and keeps them as long as another process has them mapped: runs of two blocks."""
        size = 32 << 20
        blocks = np.random.default_rng(6).integers(1, 256, (size // BLOCK_SIZE, BLOCK_SIZE), dtype=np.uint8)
        blocks[np.arange(len(blocks)) % 8 > 1] = 0
        points = [point(1, disk("vda", blocks.reshape(-1), size))]
        with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=128m", "tmpfs") as below, device(below / "thin", 4096) as path:
            os.truncate(below / "thin", 96 << 20)
            run("losetup", "--set-capacity", path)
            run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", path)
            with mounted(tmp_path / "mount", path) as directory:
                place = Place(directory / "image", "raw")
                used = int(run("du", "-s", "-B", "1", below / "thin").split()[0])
                run("mount", "-o", f"remount,size={used + (2 << 20)}", below)
                with pytest.raises(TargetFailed, match="flushing failed"):
                    await materialise(points[0], {"vda": place}, finder(points))
                with (directory / "image.partial").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as pages:
                    assert sum(pages[::4096])
                    run("mount", "-o", "remount,size=128m", below)
                    with suppress(TargetFailed):
                        await materialise(points[0], {"vda": place}, finder(points))
                        run("dd", f"if={place.path}", f"of={tmp_path}/there", "iflag=direct", "bs=1M", "status=none")
                        assert (tmp_path / "there").read_bytes() == expected(points[0])
                await materialise(points[0], {"vda": place}, finder(points))
                assert place.path.read_bytes() == expected(points[0])
