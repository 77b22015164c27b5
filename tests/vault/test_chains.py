"""Random histories: whatever was written, zeroed, added, removed, grown, shrunk, forked and checkpointed, every point reads as it was."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vault.kit import DictStore, Machine, content, disk_id
from understudy.errors import NotFound
from understudy.model import BLOCK_SIZE, Extents, blocks_of
from understudy.vault.maps.checkpoint import due, take_checkpoint
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS
from understudy.vault.maps.lineage import trace
from understudy.vault.maps.reader import DiskReader, PointReader
from understudy.vault.maps.resolve import resolve

Disks = dict[str, np.ndarray]
NAMES = ("vda", "vdb")
SIZES = (5000, 300 * BLOCK_SIZE, (REGION_BLOCKS + 700) * BLOCK_SIZE + 1, 3 * REGION_BLOCKS * BLOCK_SIZE)


def interesting(rng: np.random.Generator, blocks: int) -> np.ndarray:
    """Ascending block numbers: a few runs, some across a region's border or at the disk's end."""
    starts = [rng.integers(0, blocks), rng.integers(0, min(blocks, 250)), blocks - 3, REGION_BLOCKS - 5, 2 * REGION_BLOCKS - 1]
    parts = [np.arange(start, start + rng.integers(1, 12)) for start in rng.choice(starts, rng.integers(1, 4))]
    numbers = np.unique(np.concatenate(parts))
    return numbers[(numbers >= 0) & (numbers < blocks)]


def resized(tags: np.ndarray, blocks: int) -> np.ndarray:
    out = np.zeros(blocks, np.int64)
    out[: min(blocks, len(tags))] = tags[:blocks]
    return out


async def grow_history(
    rng: np.random.Generator, steps: int, slight: float = 0
) -> tuple[Machine, dict[bytes, tuple[Disks, dict[str, int]]]]:
    """A machine, and for each of its points the disks' tags and sizes. `slight`: the share of points all of which is in their records."""
    machine = Machine()
    sizes = {"vda": int(rng.choice(SIZES))}
    disks: Disks = {"vda": np.zeros(blocks_of(sizes["vda"]), np.int64)}
    past: dict[bytes, tuple[Disks, dict[str, int]]] = {}
    parent = b""
    tag = 1
    for _ in range(steps):
        name = str(rng.choice(NAMES))
        action = rng.random()
        if name not in disks or action < 0.1:
            sizes[name] = int(rng.choice(SIZES))
            disks[name] = resized(disks.get(name, np.zeros(0, np.int64)), blocks_of(sizes[name]))
        elif action < 0.15 and len(disks) > 1:
            del disks[name], sizes[name]
        changes = []
        small = bool(slight) and rng.random() < slight
        for target in [name] if small and name in disks else disks:
            numbers = interesting(rng, len(disks[target]))
            if rng.random() < 0.8 and len(numbers):
                tags = np.arange(tag, tag + len(numbers)) * (rng.random(len(numbers)) < 0.7)
                tag += len(numbers)
                changes.append((target, numbers, tags))
                disks[target] = disks[target].copy()
                disks[target][numbers] = tags
        per_pack = 1 << 30 if small else int(rng.choice([7, 1 << 30]))
        inline = small or bool(rng.random() < 0.3)
        parent = await machine.add_point(sizes, changes, parent=parent, per_pack=per_pack, inline=inline)
        past[parent] = (dict(disks), dict(sizes))
        if rng.random() < 0.35:
            of = parent if rng.random() < 0.8 else list(past)[rng.integers(len(past))]
            machine.checkpoints.append(await take_checkpoint(machine.history(), of))
        if rng.random() < 0.1:
            parent = list(past)[rng.integers(len(past))]
            disks, sizes = dict(past[parent][0]), dict(past[parent][1])
    return machine, past


async def check_stream(disk: DiskReader, tags: np.ndarray, extents: Extents | None = None) -> None:
    wanted = np.zeros(len(tags), bool)
    for first, count in [[0, len(tags)]] if extents is None else extents.tolist():
        wanted[first : first + count] = True
    async for part, data in disk.stream(extents):
        numbers = np.concatenate([np.arange(first, first + count) for first, count in part.tolist()])
        assert wanted[numbers].all()
        wanted[numbers] = False
        assert np.array_equal(data, content(tags[numbers]))
    assert not tags[wanted].any(), "everything that was not streamed is zero"


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 24))
async def test_every_point_reads_as_it_was(seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    machine, past = await grow_history(rng, steps)
    history = machine.history()
    ids = list(past)
    for point in {ids[-1], *rng.choice(len(ids), 3).tolist()} if len(ids) > 3 else ids:
        of = ids[point] if isinstance(point, int) else point
        disks, sizes = past[of]
        resolved = await resolve(history, of)
        assert not resolved.ignored
        reader = PointReader(history, resolved)
        assert [disk.disk.name for disk in reader.disks] == list(disks)
        for name, tags in disks.items():
            disk = reader.disk(disk_id(name))
            assert disk.disk.size == sizes[name]
            covered = np.zeros(len(tags), bool)
            for first, count in disk.data().tolist():
                covered[first : first + count] = True
            assert np.array_equal(covered, tags != 0)
            await check_stream(disk, tags)
            await check_region(machine, of, name, tags, rng)


async def check_region(machine: Machine, point: bytes, name: str, tags: np.ndarray, rng: np.random.Generator) -> None:
    """A region alone reads the same, from a bounded number of objects."""
    history = machine.history()
    first = int(rng.choice([0, *interesting(rng, len(tags))]))
    count = min(int(rng.integers(1, 300)), len(tags) - first)
    machine.store.reads = 0
    mapped = await resolve(history, point, [disk_id(name)], (first, count))
    mapped_points = {checkpoint.point for checkpoint in machine.checkpoints}
    since = trace(machine.points, point, mapped_points).entries
    packs = sum(len(entry.point.packs) + 2 * bool(entry.inlined) for entry in since)
    assert machine.store.reads <= packs + 1 + 2 * 20
    disk = PointReader(history, mapped).disk(disk_id(name))
    extents = np.array([[first, count]], np.int64)
    out = np.full(count * BLOCK_SIZE, 0xAA, np.uint8)
    await disk.read_into(extents, out)
    assert np.array_equal(out, content(tags[first : first + count]))
    await check_stream(disk, tags, extents)


@settings(max_examples=30)
@given(st.integers(0, 2**32))
async def test_a_walk_from_a_point_of_which_the_record_is_known(seed: int) -> None:
    machine, _ = await grow_history(np.random.default_rng(seed), 15)
    mapped = {checkpoint.point for checkpoint in machine.checkpoints}
    for entry in machine.points:
        assert trace(machine.points, entry.point.id, mapped, entry.seq) == trace(machine.points, entry.point.id, mapped)
        with pytest.raises(NotFound):
            trace(machine.points, entry.point.id, (), entry.seq - 1)


@settings(max_examples=30)
@given(st.integers(0, 2**32))
async def test_differing_names_every_block_that_differs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    machine, past = await grow_history(rng, 10)
    history = machine.history()
    a, b = (list(past)[i] for i in rng.choice(len(past), 2))
    left, right = [PointReader(history, await resolve(history, point)) for point in (a, b)]
    for name in set(past[a][0]) & set(past[b][0]):
        x, y = past[a][0][name], past[b][0][name]
        n = max(len(x), len(y))
        got = np.zeros(n, bool)
        for first, count in left.disk(disk_id(name)).differing(right.disk(disk_id(name))).tolist():
            got[first : first + count] = True
        assert not ((resized(x, n) != resized(y, n)) & ~got).any()
        if a == b:
            assert not got.any()


async def test_read_into_scattered_extents() -> None:
    rng = np.random.default_rng(3)
    machine, past = await grow_history(rng, 12)
    point = list(past)[-1]
    tags = past[point][0]["vda"]
    disk = PointReader(machine.history(), await resolve(machine.history(), point)).disk(disk_id("vda"))
    numbers = np.unique(np.concatenate([interesting(rng, len(tags)) for _ in range(20)]))
    extents = np.stack([numbers, np.ones_like(numbers)], axis=1)
    out = np.full(len(numbers) * BLOCK_SIZE, 0xAA, np.uint8)
    await disk.read_into(extents, out)
    assert np.array_equal(out, content(tags[numbers]))
    with pytest.raises(ValueError, match="bytes for"):
        await disk.read_into(extents, out[:-1])


async def test_later_packs_of_a_point_hide_earlier_ones() -> None:
    """An initial replication reads a slice, and once more what changed after it: both travel in one point."""
    machine = Machine()
    numbers = np.arange(50)
    point = await machine.add_point(
        {"vda": 50 * BLOCK_SIZE}, [("vda", numbers, numbers + 1), ("vda", numbers[10:20], numbers[10:20] * 0 + 99)]
    )
    tags = numbers + 1
    tags[10:20] = 99
    disk = PointReader(machine.history(), await resolve(machine.history(), point)).disks[0]
    await check_stream(disk, tags)


async def test_when_a_checkpoint_is_due() -> None:
    machine = Machine(DictStore())
    size = {"vda": 100 * BLOCK_SIZE}
    ids = [await machine.add_point(size, [("vda", np.array([i]), np.array([i + 1]))]) for i in range(16)]
    assert [due(machine.points, [], point) for point in ids] == [False] * 15 + [True]
    machine.checkpoints.append(await take_checkpoint(machine.history(), ids[15]))
    assert not due(machine.points, {ids[15]}, ids[15])
    many = await machine.add_point(size, [("vda", np.arange(64), np.arange(64) + 1)], per_pack=1)
    assert due(machine.points, {ids[15]}, many)
