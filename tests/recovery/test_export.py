"""A point served without a restore: every byte is the disk's, whatever is damaged, moved or killed meanwhile."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from tests.recovery.worlds import World, bent, make_world
from tests.vault.collect.stage import Stage
from understudy.errors import Busy, Conflict, IntegrityError, StoreUnavailable
from understudy.local.export_content import ExportContent
from understudy.recovery.export import base, marks
from understudy.recovery.export.base import PIECE, PointDisk
from understudy.recovery.export.device import PointDevice
from understudy.recovery.export.marks import Whose
from understudy.recovery.export.overlay import Overlay
from understudy.recovery.export.stock import Stock
from understudy.vault.maps.reader import LargeDisk

SIZE = (3 << 20) + 512
BYTES = PIECE * 4096
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    made = await make_world(tmp_path_factory.mktemp("world"), {"vda": SIZE})
    await made.cycle()
    made.scribble(40)
    await made.cycle()
    yield made
    await made.close()


async def disk_of(world: World, directory: Path, stack: ExitStack, *, point: int = -1, memory: int = BYTES) -> PointDisk:
    """With room for one piece in memory and four in its file, so that all of its ways are gone."""
    content = await ExportContent.open(world.vault, world.log, bytes.fromhex(world.points[point]))
    stock = Stock(directory, BYTES, memory=memory, file=4 * BYTES)
    stack.callback(stock.close)
    return PointDisk(content.disks[0], content.renew, stock)


async def everything(device: PointDevice | PointDisk | Overlay) -> bytes:
    data = await device.read(0, SIZE)
    return bytes(SIZE) if data is None else data.tobytes()


@pytest.mark.parametrize("point", [0, 1])
async def test_every_range_is_the_disks(world: World, tmp_path: Path, point: int) -> None:
    chance = random.Random(point)
    held = world.held[world.points[point]]["vda"]

    async def compare(device: PointDevice) -> None:
        offset = chance.randrange(SIZE)
        length = min(chance.choice([1, 511, 4096, 70_000, SIZE]), SIZE - offset)
        data = await device.read(offset, length)
        assert (bytes(length) if data is None else data.tobytes()) == held[offset : offset + length]

    with ExitStack() as stack:
        device = PointDevice(await disk_of(world, tmp_path, stack, point=point))
        await asyncio.gather(*(compare(device) for _ in range(60)))
        at = 0
        while at < SIZE:
            rows = await device.status(at, SIZE - at, 3)
            assert 1 <= len(rows) <= 3
            for length, flags in rows.tolist():
                assert not flags or not any(held[at : at + length])
                at += length
        assert at == SIZE
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("how", ["bit", "deletion", "swap"])
async def test_a_damaged_frame_is_an_error_until_it_is_mended(world: World, tmp_path: Path, how: str) -> None:
    held = world.held[world.points[-1]]["vda"]
    packs = world.objects()
    with ExitStack() as stack:
        disk = await disk_of(world, tmp_path, stack)
        failed = 0
        with ExitStack() as damage:
            for number, pack in enumerate(packs):
                # Whatever the mark hits of a pack: bytes as they were, or none at all.
                damage.enter_context(bent(pack, how, np.random.default_rng(number), packs[number - 1]))
            for offset in range(0, SIZE, 65536):
                length = min(65536, SIZE - offset)
                try:
                    data = await disk.read(offset, length)
                except IntegrityError:
                    failed += 1
                else:
                    assert (bytes(length) if data is None else data.tobytes()) == held[offset : offset + length]
        assert failed
        assert await everything(disk) == held


async def test_what_a_collection_moves_is_followed(tmp_path: Path) -> None:
    stage = await Stage.begin(tmp_path, np.random.default_rng(11))
    await stage.cycles(12, writes=12)
    points = await stage.kept()
    async with stage.operator("reader") as (vault, log):
        content = await ExportContent.open(vault, log, bytes.fromhex(points[-1]))
        before = list(content.disks)
        with ExitStack() as stack:
            stocks = [Stock(tmp_path, BYTES) for _ in before]
            for stock in stocks:
                stack.callback(stock.close)
            disks = [PointDisk(disk, content.renew, stock) for disk, stock in zip(before, stocks, strict=True)]
            await stage.prune(points[:-1])
            assert (await stage.collect()).deleted[0]
            read = [await everything_of(disk) for disk in disks]
        assert all(now is not old for now, old in zip(content.disks, before, strict=True))
        assert read == [await restored(disk) for disk in (await ExportContent.open(vault, log, bytes.fromhex(points[-1]))).disks]


async def everything_of(disk: PointDisk) -> bytes:
    data = await disk.read(0, disk.size)
    return bytes(disk.size) if data is None else data.tobytes()


async def restored(disk: LargeDisk) -> bytes:
    whole = bytearray(-(-disk.disk.size // 4096) * 4096)
    for first, blocks in disk.ranges().tolist():
        part = await disk.part(first, blocks)
        async for extents, data in part.stream():
            at = 0
            for start, count in extents.tolist():
                whole[start * 4096 : (start + count) * 4096] = data[at : at + count * 4096].tobytes()
                at += count * 4096
    return bytes(whole[: disk.disk.size])


def whose(world: World, disk: PointDisk) -> Whose:
    return Whose(vault=world.vault.id, machine=world.log.machine_id, point=world.points[-1], disk="ab" * 16, size=disk.size)


@pytest.mark.parametrize("seed", range(2))
async def test_an_overlay_is_a_disk(world: World, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random operations side by side, against a plain buffer; now and then the files are opened anew, as after a kill or a power cut."""
    chance, boots = random.Random(seed), 0
    with ExitStack() as stack:
        disk = await disk_of(world, tmp_path, stack)
        truth = bytearray(world.held[world.points[-1]]["vda"])
        flushed = bytes(truth)
        touched: set[int] = set()
        overlay = Overlay(tmp_path, disk, whose(world, disk))
        for step in range(60):
            # Eight operations on places of their own, which may share blocks.
            cuts = sorted(chance.sample(range(SIZE), 16))
            todo = []
            for low, high in zip(cuts[::2], cuts[1::2], strict=True):
                high = min(high, low + chance.choice([1, 700, 9000, 300_000]))
                kind = chance.choice(["write", "write", "zero", "dense", "trim"])
                touched.update(range(low // 4096, -(-high // 4096)))
                if kind == "write":
                    data = chance.randbytes(high - low)
                    truth[low:high] = data
                    todo.append(overlay.write(low, data))
                elif kind == "trim":
                    first, end = -(-low // 4096) * 4096, high if high == SIZE else high // 4096 * 4096
                    truth[first:end] = bytes(max(end - first, 0))
                    todo.append(overlay.trim(low, high - low))
                else:
                    truth[low:high] = bytes(high - low)
                    todo.append(overlay.write_zeroes(low, high - low, punch=kind == "zero"))
                if step % 10:
                    await todo.pop()
            await asyncio.gather(*todo)
            if chance.random() < 0.2:
                await overlay.flush()
                flushed, touched = bytes(truth), set()
            if chance.random() < 0.1:
                # Killed: nothing that was answered is lost.
                overlay.close()
                overlay = Overlay(tmp_path, disk, whose(world, disk))
                assert await everything(overlay) == bytes(truth)
            if chance.random() < 0.1:
                # Cut off: the kernel starts anew.
                boots += 1
                monkeypatch.setattr(marks, "_boot", lambda boot=str(boots): boot)
                overlay.close()
                overlay = Overlay(tmp_path, disk, whose(world, disk))
                after = await everything(overlay)
                for block in range(-(-SIZE // 4096)):
                    cut = slice(block * 4096, block * 4096 + 4096)
                    assert block in touched or after[cut] == flushed[cut]
                truth, flushed, touched = bytearray(after), after, set()
        assert await everything(overlay) == bytes(truth)
        device = PointDevice(disk, overlay)
        at = 0
        for length, flags in (await device.status(0, SIZE, 1 << 20)).tolist():
            assert not flags or not any(truth[at : at + length])
            at += length
        assert at == SIZE
        overlay.close()


async def test_an_overlay_lies_on_its_own_point_and_serves_one(world: World, tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = await disk_of(world, tmp_path, stack)
        mine = whose(world, disk)
        overlay = Overlay(tmp_path, disk, mine)
        with pytest.raises(Busy):
            Overlay(tmp_path, disk, mine)
        overlay.close()
        with pytest.raises(Conflict, match="belongs to an overlay on point"):
            Overlay(tmp_path, disk, Whose(vault=mine.vault, machine=mine.machine, point="cd" * 16, disk=mine.disk, size=mine.size))


async def test_what_could_not_be_made_durable_is_never_said_to_be(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        disk = await disk_of(world, tmp_path, stack)
        overlay = Overlay(tmp_path, disk, whose(world, disk))
        await overlay.write(0, b"x" * 4096)
        with monkeypatch.context() as patch:

            def fail(_: object) -> None:
                raise OSError(5, "the disk has gone")

            patch.setattr("understudy.recovery.export.overlay.os.fdatasync", fail)
            with pytest.raises(OSError, match="gone"):
                await overlay.flush()
        with pytest.raises(OSError, match="before"):
            await overlay.flush()
        overlay.close()


async def test_a_store_that_stays_away_is_an_error_in_the_end(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PATIENCE", 0.5)
    held = world.held[world.points[-1]]["vda"]
    with ExitStack() as stack:
        disk = await disk_of(world, tmp_path, stack)
        get, left = world.vault.store.get, 2

        async def flaky(*words: object) -> bytes:
            nonlocal left
            left -= 1
            if left >= 0:
                raise StoreUnavailable("no answer")
            return await get(*words)  # type: ignore[arg-type]

        monkeypatch.setattr(world.vault.store, "get", flaky)
        assert await everything(disk) == held
    with ExitStack() as stack:
        monkeypatch.setattr(world.vault.store, "get", get)
        disk = await disk_of(world, tmp_path, stack)
        monkeypatch.setattr(world.vault.store, "get", flaky)
        left = 1 << 30
        with pytest.raises(StoreUnavailable):
            await disk.read(0, SIZE)
