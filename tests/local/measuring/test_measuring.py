"""Everything that is measured is real, and nothing of it is left."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.vault.kit import DictStore
from understudy.engine.capacity import Bench
from understudy.errors import InvalidRequest, SourceUnavailable, StateFailed, StoreRefused, StoreUnavailable
from understudy.local.measuring.disks import opened, sample
from understudy.local.measuring.encoding import encoding, made
from understudy.local.measuring.host import measured
from understudy.local.measuring.storing import LARGE, storing
from understudy.local.measuring.timing import Patience
from understudy.model import BytesLike
from understudy.store.protocol import Creation

MIB = 1 << 20
QUICK = 0.2


class Keeping(DictStore):
    """For who may delete nothing."""

    async def delete(self, name: str) -> bool:
        raise StoreRefused("forbidden")


class Failing(DictStore):
    """Goes away in the middle."""

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        if sum(map(len, buffers)) == LARGE and len(self.objects) > 6:
            raise StoreUnavailable("away")
        return await super().create(name, buffers)


async def test_a_store_is_left_as_it_was():
    store = DictStore()
    store.objects["vault"] = b"there"
    found = await storing(store, "dict://", QUICK, leave=False)
    assert found.put_rate is not None
    assert found.get_rate is not None
    assert min(found.put_rate, found.get_rate, found.create.median_seconds, found.get.median_seconds) > 0
    assert (found.left, found.left_bytes, store.objects) == ((), 0, {"vault": b"there"})


@pytest.mark.parametrize("leave", [False, True])
async def test_where_nothing_may_be_deleted_little_is_stored_unless_that_is_wished_for(leave):
    store = Keeping()
    found = await storing(store, "dict://", QUICK, leave=leave)
    assert (found.put_rate is None) == (not leave)
    assert set(found.left) == store.objects.keys()
    assert found.left_bytes == sum(map(len, store.objects.values()))
    assert all(name.startswith(".probe/") for name in found.left)
    if not leave:
        assert [len(content) for content in store.objects.values()] == [4096, 4096]


async def test_a_store_that_fails_is_left_as_it_was():
    store = Failing()
    with pytest.raises(StoreUnavailable):
        await storing(store, "dict://", 60.0, leave=False)
    assert store.objects == {}


async def test_what_was_stored_is_removed_when_it_is_given_up():
    store = DictStore()
    work = asyncio.create_task(storing(store, "dict://", 3000.0, leave=False))
    while not any(len(content) == LARGE for content in store.objects.values()):
        if len(store.objects) > 49:
            break
        await asyncio.sleep(0)
    assert store.objects
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert store.objects == {}


def test_a_disk_is_read_and_what_is_on_it_encoded(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    content = np.random.default_rng(5).integers(0, 256, 4 * MIB, np.uint8)
    content[MIB : 2 * MIB] = 0
    image.write_bytes(content.tobytes())
    with opened(str(image), tmp_path) as disk:
        assert (disk.path, disk.size) == (str(image), 4 * MIB)
        found = sample(disk)
    assert found is not None
    blocks = {bytes(block) for block in found.reshape(-1, 4096)}
    there = {bytes(block) for block in content.reshape(-1, 4096)}
    assert blocks <= there - {bytes(4096)}
    assert encoding(found, "s", Patience(), QUICK).ratio == pytest.approx(1.0, abs=0.01)


def test_an_empty_disk_tells_nothing_of_its_data(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(1 << 30)
    with opened(str(image), tmp_path) as disk:
        assert sample(disk) is None


def test_made_data_compress_by_half():
    assert 0.5 < encoding(made(), "s", Patience(), QUICK).ratio < 0.55


@pytest.mark.parametrize(
    ("what", "error"), [("none", SourceUnavailable), ("small", InvalidRequest), (".", InvalidRequest), ("pipe", InvalidRequest)]
)
def test_what_is_no_disk_is_refused(tmp_path: Path, what: str, error: type[Exception]) -> None:
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "pipe").touch()
    (tmp_path / "pipe").unlink()
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(error), opened(str(tmp_path / what), tmp_path):
            raise AssertionError
    finally:
        os.close(writer)


async def test_all_of_it_without_a_vault(tmp_path: Path) -> None:
    state = tmp_path / "not" / "yet"
    found = await measured(Bench(state_dir=str(state), seconds=1.0), None, lambda progress: None)
    assert found.measured.storing is None
    assert found.measured.reading.path == f"a scratch file in {tmp_path}"
    assert min(found.stages.values()) > 0
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


async def test_a_state_directory_without_room_is_said(tmp_path: Path) -> None:
    full = Path("/proc")
    with pytest.raises(StateFailed, match="no scratch file"):
        await measured(Bench(state_dir=str(full / "x"), seconds=1.0), None, lambda progress: None)


async def test_given_up_it_ends_with_its_next_step(tmp_path: Path) -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    work = asyncio.create_task(
        measured(Bench(state_dir=str(tmp_path), seconds=3600.0), None, lambda progress: loop.call_soon_threadsafe(began.set))
    )
    await began.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
