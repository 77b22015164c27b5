"""Where many requests at once are worth it, a cycle, a verification and a restore have that many under way."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.faults import FaultyStore
from tests.replication.world import MACHINE, QUICK, UNLOCK, World
from understudy import extents as ext
from understudy.model import BLOCK_SIZE, BytesLike
from understudy.recovery.verify import verify_points
from understudy.replication.cycle import Replicator
from understudy.source.block import BlockSource
from understudy.store.file import FileStore
from understudy.store.protocol import Capabilities, Creation
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.reader import large_disks
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

PARALLEL = 16
SIZE = 32 << 20


class FarStore(FaultyStore):
    """Answers requests for packs when `wanted` of them are under way, and then at once: who never gets so far waits for ever."""

    def __init__(self, root: Path) -> None:
        super().__init__(FileStore(root))
        self.wanted = 0
        self._under_way = 0
        self._enough = asyncio.Event()

    @property
    def capabilities(self) -> Capabilities:
        return replace(self.inner.capabilities, parallel=PARALLEL)

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        async with self._with_others(name):
            return await super().create(name, buffers)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        async with self._with_others(name if length is None or length >= 256 << 10 else ""):
            return await super().get(name, start, length)

    def want(self, wanted: int) -> None:
        self.wanted, self._enough = wanted, asyncio.Event()

    @asynccontextmanager
    async def _with_others(self, name: str) -> AsyncIterator[None]:
        self._under_way += 1
        try:
            if "/packs/" in name:
                if self._under_way >= self.wanted:
                    self._enough.set()
                await self._enough.wait()
            yield
        finally:
            self._under_way -= 1


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[tuple[World, FarStore]]:
    world = World(tmp_path)
    world.disk("vda").write_bytes(np.random.default_rng(1).bytes(SIZE))
    await world.create()
    store = FarStore(tmp_path / "vault")
    yield world, store
    await store.close()


async def test_all_that_moves_packs_moves_many_at_once(far: tuple[World, FarStore]) -> None:
    world, store = far
    vault = await Vault.open(store, UNLOCK, world.state, patience=QUICK)
    log = await vault.find(MACHINE)
    replicator = Replicator(vault, log, BlockSource({"vda": str(world.disk("vda"))}), world.directory(vault, log), "here")
    async with asyncio.timeout(60):
        store.want(PARALLEL - 2)  # a pack is at its end where a unit is: all of the disk may go in fewer
        await replicator.open()
        point = (await replicator.cycle()).point
        await replicator.close()
        history = history_of(vault, log)
        store.want(PARALLEL - 2)
        assert not (await verify_points(history, [point], "scrub")).damage
        store.want(PARALLEL - 4)
        assert not (await verify_points(history, [point], "digest")).damage
        store.want(PARALLEL - 4)
        (disk,) = large_disks(history, await PointParts.open(history, bytes.fromhex(point)))
        ((first, blocks),) = disk.ranges().tolist()
        async with aclosing((await disk.part(first, blocks)).stream()) as pieces:
            read = np.zeros((SIZE // BLOCK_SIZE, BLOCK_SIZE), np.uint8)
            async for place, data in pieces:
                read[ext.block_numbers(place)] = data.reshape(-1, BLOCK_SIZE)
    assert read.tobytes() == world.disk("vda").read_bytes()


async def test_a_little_that_changed_takes_no_pack(far: tuple[World, FarStore]) -> None:
    world, store = far
    disk = np.zeros((240, BLOCK_SIZE), np.uint8)
    disk[:, 0] = range(240)
    world.disk("vda").write_bytes(disk.tobytes())
    vault = await Vault.open(store, UNLOCK, world.state, patience=QUICK)
    log = await vault.find(MACHINE)
    replicator = Replicator(vault, log, BlockSource({"vda": str(world.disk("vda"))}), world.directory(vault, log), "here")
    await replicator.open()
    await replicator.cycle()
    packs = [info.name async for info in store.list("machines/") if "/packs/" in info.name]
    disk[::16, 1] = 1
    world.disk("vda").write_bytes(disk.tobytes())
    cycle = await replicator.cycle()
    await replicator.close()
    assert cycle.stats.changed == 15
    assert [info.name async for info in store.list("machines/") if "/packs/" in info.name] == packs


@pytest.mark.parametrize(("blocks", "packs"), [(1, 0), (16, 1)])
async def test_a_little_that_changed_of_much_that_is_read_is_one_pack_or_none(far: tuple[World, FarStore], blocks: int, packs: int) -> None:
    """Each lane that found some of it began a pack of its own."""
    world, store = far
    vault = await Vault.open(store, UNLOCK, world.state, patience=QUICK)
    log = await vault.find(MACHINE)
    replicator = Replicator(vault, log, BlockSource({"vda": str(world.disk("vda"))}), world.directory(vault, log), "here")
    await replicator.open()
    await replicator.cycle()
    before = len([info async for info in store.list("machines/") if "/packs/" in info.name])
    with world.disk("vda").open("r+b") as disk:
        for number in range(8):
            disk.seek(number * SIZE // 8)
            disk.write(os.urandom(blocks * BLOCK_SIZE))
    assert (await replicator.cycle()).stats.changed == 8 * blocks
    await replicator.close()
    assert len([info async for info in store.list("machines/") if "/packs/" in info.name]) == before + packs
