"""What a raw image holds, whichever way it was written and read; and what of it goes past the page cache."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from understudy import extents as ext
from understudy.model import BLOCK_SIZE, Bytes, blocks_of
from understudy.pages import PAGE, Buffers, from_a_page
from understudy.recovery.past_cache import LEAST, PastCache
from understudy.recovery.raw import RawTarget

MIB = 1 << 20


def noise(size: int, beyond: int = 0) -> Bytes:
    """In memory that begins so many bytes after a page does."""
    memory = from_a_page(size + beyond)[beyond:]
    memory[:] = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    return memory


def cached(path: Path) -> int:
    """Bytes of it in the page cache."""
    told = subprocess.run(["fincore", "-b", "-n", "-o", "RES", path], capture_output=True, text=True, check=True).stdout
    return int(told.split()[0]) if told.strip() else 0


def read_from_disks() -> int:
    """Bytes that this process has had read."""
    return int(dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["read_bytes"])


@pytest.mark.parametrize("beyond", [0, 16])
@pytest.mark.parametrize("size", [1, BLOCK_SIZE, LEAST, LEAST + 1, 3 * MIB, 3 * MIB + 512, 3 * MIB + 4095])
async def test_an_image_holds_what_was_written_whatever_its_size_and_place(tmp_path: Path, size: int, beyond: int) -> None:
    (tmp_path / "image").touch()
    target = RawTarget.open(tmp_path / "image", size, 512, resize=True)
    whole = ext.whole(blocks_of(size))
    data = noise(blocks_of(size) * BLOCK_SIZE, beyond)
    data[size:] = 0
    await target.write(whole, data)
    await target.seal()
    assert (await target.allocated()).tolist() == whole.tolist()
    read = noise(len(data) + 1, beyond)[: len(data)]
    await target.read_into(whole, read)
    await target.close()
    assert (read == data).all()
    assert (tmp_path / "image").read_bytes() == data[:size].tobytes()


def empty(directory: Path) -> Path:
    (directory / "image").touch()
    return directory / "image"


async def written(path: Path, *, read_back: bool) -> RawTarget:
    """An image of 16 MiB, each of them `noise(MIB)`, and durable."""
    target = RawTarget.open(path, 16 * MIB, 512, resize=True, read_back=read_back)
    for first in range(0, 4096, 256):
        await target.write(np.array([[first, 256]], dtype=np.int64), noise(MIB))
    await target.seal()
    return target


async def read_and_closed(target: RawTarget) -> None:
    whole = await target.allocated()
    read = from_a_page(16 * MIB)
    await target.read_into(whole, read)
    await target.close()
    assert (read.reshape(-1, MIB) == noise(MIB)).all()


async def test_a_large_image_is_written_and_read_past_the_cache(tmp_path: Path) -> None:
    path = empty(tmp_path)
    await read_and_closed(await written(path, read_back=False))
    assert cached(path) < MIB


async def test_what_will_be_read_back_stays_in_the_cache(tmp_path: Path) -> None:
    path = empty(tmp_path)
    target = await written(path, read_back=True)
    assert cached(path) == 16 * MIB
    before = read_from_disks()
    await read_and_closed(target)
    assert read_from_disks() == before


async def test_it_stays_as_far_as_there_is_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of 10 MiB; what is proven then is mostly on the disk, and is read from there."""
    monkeypatch.setattr("understudy.meminfo.available", lambda: 10 * MIB)
    path = empty(tmp_path)
    target = await written(path, read_back=True)
    assert cached(path) == 5 * MIB
    await read_and_closed(target)
    assert cached(path) < 6 * MIB


async def test_an_image_that_was_there_is_read_from_the_disk(tmp_path: Path) -> None:
    path = empty(tmp_path)
    await (await written(path, read_back=True)).close()
    assert cached(path) == 16 * MIB
    before = read_from_disks()
    await read_and_closed(RawTarget.open(path, 16 * MIB, 512, resize=False, read_back=True))
    assert read_from_disks() >= before + 16 * MIB


async def test_short_runs_and_the_last_bytes_are_read_from_the_disk_too(tmp_path: Path) -> None:
    path = empty(tmp_path)
    size = MIB + 700
    target = RawTarget.open(path, size, 512, resize=True)
    runs = np.array([[first, 2] for first in range(0, 256, 16)] + [[256, 1]], dtype=np.int64)
    data = noise(ext.total(runs) * BLOCK_SIZE)
    data[-(BLOCK_SIZE - 700) :] = 0
    await target.write(runs, data)
    await target.seal()
    assert cached(path) > 0
    assert (await target.allocated()).tolist() == runs.tolist()
    assert cached(path) == 0
    read = from_a_page(len(data))
    await target.read_into(runs, read)
    await target.close()
    assert (read == data).all()
    assert cached(path) == 0


def test_what_can_only_be_moved_through_the_cache_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bytes(2 * MIB))
    fd = os.open(tmp_path / "image", os.O_RDWR)
    past = PastCache(fd)
    data = noise(MIB)
    assert past.write(data.data, PAGE // 2) == 0
    assert past.write(data[1:].data, 0) == 0
    assert past.write(data[: LEAST - 1].data, 0) == 0
    assert past.write(data[: LEAST + 7].data, 0) == LEAST
    past.close()
    os.close(fd)
    assert (tmp_path / "image").read_bytes() == data[:LEAST].tobytes() + bytes(2 * MIB - LEAST)


def test_buffers_are_used_again_and_never_by_two() -> None:
    buffers = Buffers(MIB)
    one, other = buffers.take(MIB), buffers.take(5)
    assert one.ctypes.data % PAGE == other.ctypes.data % PAGE == 0
    assert len(other) == 5
    assert not np.shares_memory(one, other)
    buffers.give(other)
    assert np.shares_memory(buffers.take(MIB), other)
    large = buffers.take(2 * MIB)
    buffers.give(large)
    buffers.give(np.empty(7, dtype=np.uint8))
    assert not np.shares_memory(buffers.take(MIB), large)
