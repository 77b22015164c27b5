"""Reading a point's disks: how many requests it takes, how much memory, and what is left when it is broken off."""

import asyncio
import tracemalloc
from contextlib import aclosing

import numpy as np
import pytest

from tests.vault.kit import DictStore, Machine, content, disk_id
from understudy import extents as ext
from understudy.errors import NotFound, StoreUnavailable
from understudy.model import BLOCK_SIZE
from understudy.vault import names
from understudy.vault.cache import Cache
from understudy.vault.maps.reader import DiskReader, PointReader
from understudy.vault.maps.resolve import resolve


async def reader_of(machine: Machine, point: bytes) -> DiskReader:
    history = machine.history()
    return PointReader(history, await resolve(history, point)).disks[0]


async def large(blocks: int, per_pack: int) -> tuple[Machine, DiskReader]:
    machine = Machine()
    numbers = np.arange(blocks)
    point = await machine.add_point({"vda": blocks * BLOCK_SIZE}, [("vda", numbers, numbers % 500 + 1)], per_pack=per_pack)
    return machine, await reader_of(machine, point)


async def test_a_stream_takes_few_requests() -> None:
    machine, disk = await large(4096, 2048)
    machine.store.reads = machine.store.fetched = 0
    assert sum([len(data) async for _, data in disk.stream()]) == 4096 * BLOCK_SIZE
    stored = sum(len(data) for data in machine.store.objects.values())
    assert machine.store.reads == 2, "each of two packs as a whole"
    assert machine.store.fetched <= stored


async def test_scattered_frames_of_a_pack_are_read_together() -> None:
    machine = Machine()
    numbers = np.arange(1000) * 2
    point = await machine.add_point({"vda": 2000 * BLOCK_SIZE}, [("vda", numbers, numbers + 2)])
    disk = await reader_of(machine, point)
    machine.store.reads = 0
    out = np.empty(1000 * BLOCK_SIZE, np.uint8)
    await disk.read_into(np.stack([numbers, np.ones_like(numbers)], axis=1), out)
    assert np.array_equal(out, content(numbers + 2))
    assert machine.store.reads <= 2 + 6


async def test_memory_of_a_stream_is_bounded() -> None:
    """Also where every row needs a block of another large frame."""
    machine, _ = await large(16384, 8000)
    numbers = np.arange(0, 16384, 2)
    point = await machine.add_point({"vda": 16384 * BLOCK_SIZE}, [("vda", numbers, numbers + 10_000)], per_pack=4096)
    disk = await reader_of(machine, point)
    tracemalloc.start()
    total = 0
    async with aclosing(disk.stream()) as parts:
        async for _, data in parts:
            total += len(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 16384 * BLOCK_SIZE
    assert peak < 64 << 20


async def test_a_stream_broken_off_leaves_nothing_running() -> None:
    _, disk = await large(8192, 2048)
    async with aclosing(disk.stream()) as parts:
        async for _ in parts:
            break
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert sum([len(data) async for _, data in disk.stream()]) == 8192 * BLOCK_SIZE


async def test_a_cancelled_stream_leaves_nothing_running() -> None:
    _, disk = await large(8192, 2048)

    began = asyncio.Event()

    async def read() -> None:
        async with aclosing(disk.stream()) as parts:
            async for _ in parts:
                began.set()
                await asyncio.sleep(0)

    task = asyncio.create_task(read())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Failing(DictStore):
    """Does not answer for one pack."""

    silent = ""

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if name == self.silent and length not in (160, 128):
            raise StoreUnavailable(f"{name}: no answer")
        return await super().get(name, start, length)


async def test_a_store_that_fails_is_not_damage() -> None:
    store = Failing()
    machine = Machine(store)
    numbers = np.arange(4096)
    point = await machine.add_point({"vda": 4096 * BLOCK_SIZE}, [("vda", numbers, numbers + 1)], per_pack=1024)
    disk = await reader_of(machine, point)
    store.silent = names.pack(machine.history().machine_id, machine.points[0].point.packs[2].id.hex())

    async def read() -> None:
        async for part, data in disk.stream():
            assert np.array_equal(data, content(ext.block_numbers(part) + 1))

    with pytest.raises(StoreUnavailable, match="no answer"):
        await read()
    store.silent = ""
    assert sum([len(data) async for _, data in disk.stream()]) == 4096 * BLOCK_SIZE


async def test_an_unknown_disk() -> None:
    machine = Machine()
    point = await machine.add_point({"vda": 5000}, [])
    history = machine.history()
    reader = PointReader(history, await resolve(history, point))
    with pytest.raises(NotFound, match=disk_id("vdb").hex()):
        reader.disk(disk_id("vdb"))
    disk = reader.disk(disk_id("vda"))
    assert len(disk.data()) == 0
    assert [part async for part in disk.stream()] == []
    assert [part async for part in disk.signatures()] == []
    out = np.ones(2 * BLOCK_SIZE, np.uint8)
    await disk.read_into(np.array([[0, 2]]), out)
    assert not out.any()
    await disk.read_into(np.empty((0, 2), np.int64), out[:0])


async def test_a_cache_loads_once_and_forgets_the_oldest() -> None:
    cache: Cache[str] = Cache(10, len)
    loads: list[bytes] = []

    async def get(key: bytes, value: str) -> str:
        async def load() -> str:
            await asyncio.sleep(0)
            loads.append(key)
            return value

        return await cache.get(key, load)

    assert await asyncio.gather(*(get(b"a", "xxxx") for _ in range(5))) == ["xxxx"] * 5
    await get(b"b", "yyyy")
    await get(b"a", "-")
    assert loads == [b"a", b"b"]
    await get(b"c", "zzzz")
    await get(b"a", "-")
    await get(b"b", "yyyy")
    assert loads == [b"a", b"b", b"c", b"b"]
    await get(b"d", "too large for the cache")
    await get(b"d", "-")
    assert loads[-1] == b"d"

    async def fail() -> str:
        raise StoreUnavailable("no answer")

    with pytest.raises(StoreUnavailable):
        await cache.get(b"e", fail)
    assert await get(b"e", "now") == "now"
