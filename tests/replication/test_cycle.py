"""Cycles over a real file vault: every committed point is the disk as it was, whatever happened in between."""

import os
import resource
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from xxhash import xxh3_128

from tests.faults import Action, Call, Fault
from tests.replication.world import World, scribble
from understudy.errors import Fenced, InDoubt, SecondWriter, StateFailed, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.model import BLOCK_SIZE
from understudy.replication.plan import Cause
from understudy.vault import kinds
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.honest import honest
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.reader import PointReader
from understudy.vault.maps.reading import history_of
from understudy.vault.maps.resolve import resolve

SIZE = 3_000_000 + 512  # not a multiple of a block


@pytest.fixture
async def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.disk("vda").write_bytes(np.random.default_rng(0).integers(0, 256, SIZE, dtype=np.uint8).tobytes())
    os.truncate(world.disk("vda"), 2 * SIZE)
    await world.create()
    return world


async def test_every_point_is_the_disk_as_it_was(world: World) -> None:
    rng = np.random.default_rng(1)
    expected: dict[str, dict[str, bytes]] = {}
    for _ in range(3):
        async with world.replicator() as replicator:
            await replicator.open()
            for _ in range(7):
                report = await replicator.cycle()
                expected[report.point] = {"vda": world.disk("vda").read_bytes()}
                scribble(world.disk("vda"), rng)
    assert await world.contents() == expected
    async with world.vault() as (_, log):
        assert log.state.checkpoints, "twenty points deserve a checkpoint"
        assert log.state.void == ()


async def test_an_idle_cycle_makes_a_point_of_no_size(world: World) -> None:
    async with world.replicator() as replicator:
        await replicator.open()
        first = await replicator.cycle()
        second = await replicator.cycle()
    assert (first.cause, second.cause) == (Cause.INITIAL, Cause.DELTA)
    assert first.stats.changed == -(-SIZE // 4096)
    assert (second.stats.changed, second.stats.stored) == (0, 0)
    assert second.parent == first.point


async def test_holes_between_scattered_blocks_are_not_read(world: World) -> None:
    """Nor is a hole taken for what was there before it."""
    path, places = world.disk("vda"), [3, 70, 400, 401, 900, 5000, 8191]
    os.truncate(path, 0)
    os.truncate(path, 8192 * BLOCK_SIZE)
    with path.open("r+b") as file:
        for place in places:
            file.seek(place * BLOCK_SIZE)
            file.write(bytes([place % 251 + 1]) * BLOCK_SIZE)
    expected: dict[str, dict[str, bytes]] = {}
    async with world.replicator() as replicator:
        await replicator.open()
        found = []
        for turn in range(3):
            if turn == 2:
                punch(path, 400, 1)
                punch(path, 4990, 20)
                with path.open("r+b") as file:
                    file.seek(2000 * BLOCK_SIZE)
                    file.write(b"new" * BLOCK_SIZE)
            report = await replicator.cycle()
            expected[report.point] = {"vda": path.read_bytes()}
            found.append((report.stats.scanned, report.stats.changed, report.stats.zero))
    # The three blocks that came, the two that went, and those that stayed.
    assert found == [(7, 7, 0), (7, 0, 0), (7 - 2 + 3 + 2, 5, 2)]
    assert await world.contents() == expected


def punch(path: Path, first: int, blocks: int) -> None:
    """Make a hole."""
    subprocess.run(["fallocate", "-p", "-o", str(first * BLOCK_SIZE), "-l", str(blocks * BLOCK_SIZE), path], check=True)


async def test_content_written_again_is_not_sent_again(world: World) -> None:
    async with world.replicator() as replicator:
        await replicator.open()
        await replicator.cycle()
        data = world.disk("vda").read_bytes()
        world.disk("vda").write_bytes(data)
        report = await replicator.cycle()
    assert report.stats.scanned > 0
    assert report.stats.changed == 0


async def test_a_state_directory_without_room_for_a_journal(world: World) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with world.replicator() as replicator:
        await replicator.open()
        first = await replicator.cycle()
        before = world.disk("vda").read_bytes()
        scribble(world.disk("vda"), np.random.default_rng(3))
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
        try:
            with pytest.raises(StateFailed, match="the state directory"):
                await replicator.cycle()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        second = await replicator.cycle()
    assert await world.contents() == {first.point: {"vda": before}, second.point: {"vda": world.disk("vda").read_bytes()}}


async def test_a_point_keeps_its_packs_though_the_state_directory_vanished_at_its_record(world: World) -> None:
    def vanish(call: Call) -> None:
        if call.op == "create" and "/log/" in call.name and world.state.is_dir():
            shutil.rmtree(world.state)
            world.state.touch()

    async with world.replicator() as replicator:
        await replicator.open()
        replicator.vault.store.before = vanish  # type: ignore[attr-defined]
        with pytest.raises(StateFailed):
            await replicator.cycle()
    world.state.unlink()
    assert list((await world.contents()).values()) == [{"vda": world.disk("vda").read_bytes()}]


async def test_lost_signatures_are_rebuilt_from_the_vault(world: World) -> None:
    rng = np.random.default_rng(2)
    async with world.replicator() as replicator:
        await replicator.open()
        await replicator.cycle()
    async with world.vault() as (vault, log):
        shutil.rmtree(world.state / "vaults" / vault.id / "machines" / log.machine_id / "signatures")
    scribble(world.disk("vda"), rng, writes=1)
    async with world.replicator() as replicator:
        await replicator.open()
        report = await replicator.cycle()
        assert report.cause == Cause.DELTA
        assert report.stats.changed < 30
        again = await replicator.cycle()
        assert again.stats.changed == 0


async def test_signatures_that_rotted_are_rebuilt(world: World) -> None:
    async with world.replicator() as replicator:
        await replicator.open()
        await replicator.cycle()
    async with world.vault() as (vault, log):
        (path,) = (world.state / "vaults" / vault.id / "machines" / log.machine_id / "signatures").iterdir()
    with path.open("r+b") as file:
        file.seek(4096 + 16 * 100)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    scribble(world.disk("vda"), np.random.default_rng(6))
    async with world.replicator() as replicator:
        await replicator.open()
        report = await replicator.cycle()
    assert (await world.contents())[report.point] == {"vda": world.disk("vda").read_bytes()}


async def test_disks_come_go_grow_and_shrink(world: World) -> None:
    rng = np.random.default_rng(3)
    expected: dict[str, dict[str, bytes]] = {}

    async def cycle(*names: str) -> str:
        disks = {name: world.disk(name) for name in names}
        async with world.replicator(disks=disks) as replicator:
            await replicator.open()
            report = await replicator.cycle()
            expected[report.point] = {name: path.read_bytes() for name, path in disks.items()}
            return report.reason

    world.disk("vdb").write_bytes(rng.integers(0, 256, 100_000, dtype=np.uint8).tobytes())
    assert await cycle("vda") == ""
    assert await cycle("vda", "vdb") == "disk vdb was added"
    os.truncate(world.disk("vda"), 1_000_001)
    assert "resized" in await cycle("vda", "vdb")
    os.truncate(world.disk("vda"), 4_000_000)
    assert "resized" in await cycle("vda", "vdb")
    scribble(world.disk("vda"), rng)
    assert await cycle("vda") == "disk vdb was removed"
    assert await cycle("vda", "vdb") == "disk vdb was added"
    assert await world.contents() == expected


FAULTS = [
    pytest.param(Fault(Action.FAIL_BEFORE, "create", "*/packs/*", times=-1), StoreUnavailable, id="pack-fails"),
    pytest.param(Fault(Action.FAIL_AFTER, "create", "*/packs/*", times=2), None, id="pack-answer-lost-twice"),
    pytest.param(Fault(Action.REFUSE, "create", "*/packs/*"), StoreRefused, id="pack-refused"),
    pytest.param(Fault(Action.FAIL_BEFORE, "create", "machines/*/log/*", times=9), UnderstudyError, id="record-fails"),
    pytest.param(Fault(Action.FAIL_AFTER, "create", "machines/*/log/*", times=1), None, id="record-answer-lost"),
    pytest.param(Fault(Action.LATE, "create", "machines/*/log/*", times=9), InDoubt, id="record-late"),
    pytest.param(Fault(Action.FAIL_AFTER, "[cg]*", "machines/*/log/*", times=9), InDoubt, id="record-written-but-all-answers-lost"),
    pytest.param(Fault(Action.REFUSE, "create", "machines/*/log/*"), UnderstudyError, id="record-refused"),
]


@pytest.mark.parametrize(("fault", "error"), FAULTS)
@pytest.mark.parametrize("restart", [False, True])
async def test_a_store_that_fails_costs_no_content(
    world: World, fault: Fault, error: type[UnderstudyError] | None, restart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """a → b (in a cycle that fails) → a or c: a diff against b, were it never committed, would lose the change back."""
    monkeypatch.setattr("understudy.replication.upload.FIRST_DELAY", 0.001)
    rng = np.random.default_rng(4)
    a = world.disk("vda").read_bytes()
    expected: dict[str, dict[str, bytes]] = {}
    async with world.replicator() as replicator:
        await replicator.open()
        expected[(await replicator.cycle()).point] = {"vda": a}
        world.disk("vda").write_bytes(rng.integers(0, 256, len(a), dtype=np.uint8).tobytes())
        b = world.disk("vda").read_bytes()
        world.schedule.append(fault)
        if error is None:
            expected[(await replicator.cycle()).point] = {"vda": b}
        else:
            with pytest.raises(error):
                await replicator.cycle()
        world.schedule.clear()
        world.disk("vda").write_bytes(a)
        if not restart:
            expected[(await replicator.cycle()).point] = {"vda": a}
    if restart:
        async with world.replicator() as replicator:
            await replicator.open()
            expected[(await replicator.cycle()).point] = {"vda": a}
    found = await world.contents()
    # A record whose answer was lost is a point all the same, and whole.
    unseen = [found.pop(point) for point in found.keys() - expected.keys()]
    assert found == expected
    assert unseen in ([], [{"vda": b}])


async def test_the_older_of_two_writers_stops(world: World) -> None:
    async with world.replicator() as first:
        await first.open()
        await first.cycle()
        async with world.replicator() as second:
            await second.open()
            await second.cycle()
            with pytest.raises(SecondWriter):
                await first.cycle()
            await second.cycle()
    assert len(await world.contents()) == 3


async def test_a_failover_elsewhere_fences_and_commits_nothing(world: World) -> None:
    async with world.replicator() as replicator:
        await replicator.open()
        await replicator.cycle()
        async with world.vault() as (_, log):
            await log.append(kinds.Failover(epoch=2, site="there"))
        for _ in range(2):
            with pytest.raises(Fenced):
                await replicator.cycle()
    async with world.replicator() as replicator:
        with pytest.raises(Fenced):
            await replicator.open()
    assert len(await world.contents()) == 1


def colliding_blocks() -> tuple[bytes, bytes]:
    """Two blocks of equal XXH3-128 without a key, as a guest can make them.

    A lane of a stripe adds to the accumulators its data and the product of the halves of (data ^ secret). Where the low half is the
    secret's, the product is 0 whatever the high half is; so what one stripe's high half gains, the next one's may lose unseen.
    """
    first, second = bytes.fromhex("b8fe6c39"), bytes.fromhex("7c01812c")  # of XXH3's public secret: bytes 0 to 3 and 8 to 11
    block = bytearray(np.random.default_rng(3).integers(0, 256, BLOCK_SIZE, dtype=np.uint8).tobytes())
    pair = []
    for gain in (0, 1):
        block[0:8] = first + (5000 + gain).to_bytes(4, "little")
        block[64:72] = second + (7000 - gain).to_bytes(4, "little")
        pair.append(bytes(block))
    return pair[0], pair[1]


async def test_blocks_that_collide_without_the_key_are_told_apart(world: World) -> None:
    a, b = colliding_blocks()
    assert a != b
    assert xxh3_128(a).digest() == xxh3_128(b).digest()
    expected: dict[str, dict[str, bytes]] = {}
    changed: list[int] = []
    async with world.replicator() as replicator:
        await replicator.open()
        for blocks in (a + b, b + a, b + b, a + a, a + b):
            with world.disk("vda").open("r+b") as disk:
                disk.write(blocks)
            report = await replicator.cycle()
            expected[report.point] = {"vda": world.disk("vda").read_bytes()}
            changed.append(report.stats.changed)
    assert changed[1:] == [2, 1, 2, 1]
    assert await world.contents() == expected


async def test_signatures_are_not_rebuilt_from_a_checkpoint_that_lies(world: World) -> None:
    """It says that block 0 still is what it was at first; so a cycle that believed it would leave out what came back since."""
    first = world.disk("vda").read_bytes()
    async with world.replicator() as replicator:
        await replicator.open()
        await replicator.cycle()
        with world.disk("vda").open("r+b") as disk:
            disk.write(bytes(range(256)) * 400)
        await replicator.cycle()
    async with world.vault() as (vault, log):
        history = history_of(vault, log)
        *older, newest = history.points
        silent = PointEntry(newest.seq, msgspec.structs.replace(newest.point, packs=()), 0)
        await log.append(await take_checkpoint(replace(history, points=(*older, silent), entries=(*older, silent)), newest.point.id))
        shutil.rmtree(world.state / "vaults" / vault.id / "machines" / log.machine_id / "signatures")
    world.disk("vda").write_bytes(first)
    async with world.replicator() as replicator:
        await replicator.open()
        report = await replicator.cycle()
    async with world.vault() as (vault, log):
        proven, lies = await honest(history_of(vault, log))
        assert len(lies) == 1
        reader = PointReader(proven, await resolve(proven, bytes.fromhex(report.point)))
        data = np.empty(25 * BLOCK_SIZE, dtype=np.uint8)
        await reader.disks[0].read_into(np.array([[0, 25]], dtype=np.int64), data)
        assert data.tobytes() == first[: 25 * BLOCK_SIZE]
