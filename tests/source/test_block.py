import asyncio
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.source.conformance import Conformance, Contents
from understudy.errors import SourceBusy, SourceRefused, SourceUnavailable
from understudy.model import BLOCK_SIZE, Bytes
from understudy.qemu.image_locks import written_by_another
from understudy.source.block import BlockSource

MIB = 1 << 20
ONE = np.array([[0, 1]], np.int64)


class BlockRig:
    tracks = False
    shared = False
    partial = False

    def __init__(self, paths: dict[str, Path]) -> None:
        self.paths = paths

    def source(self) -> BlockSource:
        return BlockSource({name: str(path) for name, path in self.paths.items()})

    async def write(self, disk: str, offset: int, length: int, value: int) -> None:
        with self.paths[disk].open("r+b") as out:
            out.seek(offset)
            out.write(bytes([value]) * length)

    async def contents(self) -> Contents:
        return {name: np.frombuffer(path.read_bytes(), np.uint8) for name, path in self.paths.items()}

    async def leftovers(self) -> list[str]:
        return []


def scattered(path: Path, size: int) -> Path:
    """Data at both ends and in the middle, holes between."""
    with path.open("wb") as out:
        out.truncate(size)
        for offset, length in ((0, 100), (size // 2, 70_000), (size - 1, 1)):
            out.seek(offset)
            out.write(os.urandom(length - 1) + b"\1")
    return path


@pytest.fixture
def rig(tmp_path: Path) -> BlockRig:
    return BlockRig({"sda": scattered(tmp_path / "a", 4 * MIB), "sdb": scattered(tmp_path / "b", 3 * MIB + 4096 + 513)})


class TestBlock(Conformance):
    pass


async def test_holes_are_not_allocated(tmp_path):
    source = BlockSource({"d": str(scattered(tmp_path / "d", 64 * MIB))})
    snapshot = await source.freeze("0" * 32, None)
    allocated = await snapshot.disks[0].allocated()
    assert allocated[:, 1].sum() < 100
    assert allocated[0].tolist() == [0, 1]
    assert allocated[-1].tolist() == [64 * MIB // BLOCK_SIZE - 1, 1]
    await source.close()


@pytest.mark.parametrize("action", ["write", "grow", "cut"])
async def test_a_file_written_while_read_is_refused(rig, action):
    source = rig.source()
    disk = (await source.freeze("0" * 32, None)).disks[0]
    buffer: Bytes = np.zeros(BLOCK_SIZE, np.uint8)
    await disk.read_into(ONE, buffer)
    path = rig.paths["sda"]
    if action == "write":
        await rig.write("sda", 0, 1, 7)
    else:
        os.truncate(path, path.stat().st_size + (1 if action == "grow" else -MIB))
    with pytest.raises(SourceBusy, match="was written while it was being read"):
        await disk.read_into(ONE, buffer)
    with pytest.raises(SourceBusy, match="was written while it was being read"):
        await disk.allocated()
    await source.release(False)
    disk = (await source.freeze("0" * 32, None)).disks[0]
    await disk.read_into(ONE, buffer)
    await source.close()


async def test_what_is_no_disk(tmp_path):
    fifo, empty = tmp_path / "fifo", tmp_path / "empty"
    os.mkfifo(fifo)
    empty.touch()
    for path, error, words in (
        (tmp_path, SourceRefused, "neither a file nor a block device"),
        (fifo, SourceRefused, "neither a file nor a block device"),
        (empty, SourceRefused, "is empty"),
        (tmp_path / "missing", SourceUnavailable, "No such file"),
    ):
        with pytest.raises(error, match=words):
            await BlockSource({"d": str(path)}).probe()
    with pytest.raises(SourceRefused, match="no disks"):
        await BlockSource({}).probe()


async def test_a_cancelled_read_is_over_when_it_says_so(rig):
    source = rig.source()
    disk = (await source.freeze("0" * 32, None)).disks[0]
    buffer: Bytes = np.zeros(4 * MIB, np.uint8)
    task = asyncio.ensure_future(disk.read_into(np.array([[0, 1024]], np.int64), buffer))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    buffer[:] = 0
    await asyncio.sleep(0.05)
    assert not buffer.any()
    await source.close()


if os.geteuid() == 0:  # only root can make a block device

    @pytest.mark.parametrize("sector", [512, 4096])
    async def test_a_block_device(tmp_path, sector):
        content = os.urandom(2 * MIB)
        (tmp_path / "image").write_bytes(content)
        attach = ["losetup", "--find", "--show", f"--sector-size={sector}", str(tmp_path / "image")]
        device = (await asyncio.to_thread(subprocess.run, attach, check=True, capture_output=True, text=True)).stdout.strip()
        try:
            source = BlockSource({"d": device})
            disk = (await source.freeze("0" * 32, None)).disks[0]
            assert (disk.info.size, disk.info.sector) == (2 * MIB, sector)
            assert (await disk.allocated()).tolist() == [[0, 2 * MIB // BLOCK_SIZE]]
            buffer: Bytes = np.zeros(2 * MIB, np.uint8)
            await disk.read_into(await disk.allocated(), buffer)
            assert buffer.tobytes() == content
            await source.close()
        finally:
            await asyncio.to_thread(subprocess.run, ["losetup", "--detach", device], check=True)


def wait_for_a_writer(path: Path) -> None:
    until = time.monotonic() + 20
    with path.open("rb") as image:
        while not written_by_another(image.fileno()):
            assert time.monotonic() < until
            time.sleep(0.02)


async def test_an_image_that_a_vm_writes_to_is_refused(tmp_path):
    path = scattered(tmp_path / "disk", MIB)
    source = BlockSource({"vda": str(path)})
    vm = await asyncio.create_subprocess_exec("qemu-io", "-f", "raw", "-c", "sleep 60000", path)
    try:
        await asyncio.to_thread(wait_for_a_writer, path)
        with pytest.raises(SourceRefused, match="in use") as caught:
            await source.probe()
        assert "--qmp" in caught.value.hint
    finally:
        vm.kill()
        await vm.wait()
    assert (await source.probe()).disks[0].size == path.stat().st_size
