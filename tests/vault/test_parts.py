"""A point's map in parts says what it says as a whole, and no part has more rows than it should."""

from dataclasses import replace

import numpy as np
import pytest

from tests.vault.kit import MACHINE, Machine, disk_id
from understudy import extents as ext
from understudy.errors import IntegrityError
from understudy.model import BLOCK_SIZE, Extents
from understudy.vault import names
from understudy.vault.maps import parts
from understudy.vault.maps.checkpoint import take_checkpoint
from understudy.vault.maps.checkpoint_page import REGION_BLOCKS
from understudy.vault.maps.diskmap import DiskMap
from understudy.vault.maps.honest import honest
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.reader import PointReader, large_disks
from understudy.vault.maps.resolve import resolve

VDA = disk_id("vda")
REGIONS = 9
FEW = 25
"""Rows of a part in these tests."""
IN_A_REGION = 40


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROWS", FEW)


async def grown(seed: int, checkpoints: bool = True) -> Machine:
    """Points with some blocks in most regions of a disk that grows, shrinks and grows again; some blocks become zero."""
    rng, machine = np.random.default_rng(seed), Machine()
    for number, regions in enumerate([REGIONS - 2, REGIONS, REGIONS // 2, REGIONS, REGIONS]):
        blocks = regions * REGION_BLOCKS - 17
        some = [rng.choice(300, IN_A_REGION // 4, False) * 7 + region * REGION_BLOCKS for region in range(regions) if rng.random() < 0.8]
        edges = np.array([region * REGION_BLOCKS + at for region in range(1, regions) for at in (-2, -1, 0, 1)])
        numbers = np.union1d(np.concatenate(some), edges)
        tags = rng.integers(0 if number else 1, 9, len(numbers)) * 2
        sizes = {"vda": blocks * BLOCK_SIZE, "vdb": 100 * BLOCK_SIZE}
        changes = [("vda", numbers, tags), ("vdb", np.arange(5), np.full(5, number * 2 + 2))]
        point = await machine.add_point(sizes, changes, per_pack=50, inline=number == 3)
        if checkpoints and number in (1, 3):
            machine.checkpoints.append(await take_checkpoint(machine.history(), point))
    return machine


def described(mapped: DiskMap) -> list[tuple[object, ...]]:
    """For each block which block of which frame it is."""
    found: list[tuple[object, ...]] = []
    columns = ("first", "blocks", "skip", "pack", "number", "frame_blocks", "offset", "length", "kind")
    for first, blocks, skip, pack, *frame in zip(*(mapped.rows[column].tolist() for column in columns), strict=True):
        found += [(first + at, skip + at, mapped.packs[pack].id, *frame) for at in range(blocks)]
    return found


async def in_parts(found: PointParts, disk: bytes) -> tuple[list[tuple[object, ...]], Extents]:
    rows, ranges = [], found.ranges(disk)
    for first, blocks in ranges.tolist():
        mapped = await found.part(disk, first, blocks)
        if len(mapped.rows):
            assert first <= mapped.rows["first"][0]
            assert mapped.rows["first"][-1] + mapped.rows["blocks"][-1] <= first + blocks
        rows += described(mapped)
    return rows, ranges


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("checkpoints", [True, False])
async def test_the_same_as_a_whole(seed: int, checkpoints: bool) -> None:
    machine = await grown(seed, checkpoints)
    history = machine.history()
    for entry in machine.points:
        whole, found = await resolve(history, entry.point.id), await PointParts.open(history, entry.point.id)
        assert [disk.name for disk in found.disks] == ["vda", "vdb"]
        for disk in found.disks:
            rows, ranges = await in_parts(found, disk.id)
            assert rows == described(whole.disks[disk.id])
            blocks = -(-disk.size // BLOCK_SIZE)
            assert ext.union(ranges).tolist() == ext.whole(blocks).tolist()
            assert (ranges[:, 1] > 0).all()
            assert (len(ranges) > 1) == (disk.name == "vda")
        known = {mapped.packs[row].id for mapped in whole.disks.values() for row in np.unique(mapped.rows["pack"]).tolist()}
        assert {pack.id for pack in await found.packs()} == known
        assert not found.ignored


async def test_no_part_has_many_rows() -> None:
    machine = await grown(5)
    history = machine.history()
    found = await PointParts.open(history, machine.points[-1].point.id, [VDA])
    for first, blocks in found.ranges(VDA).tolist():
        assert len((await found.part(VDA, first, blocks)).rows) <= FEW + 2 * IN_A_REGION
        assert first % REGION_BLOCKS == 0


async def test_signatures_come_in_order() -> None:
    machine = await grown(6)
    history, point = machine.history(), machine.points[-1].point.id
    whole = PointReader(history, await resolve(history, point)).disk(VDA)
    wanted = [(extents.tolist(), told.tobytes()) async for extents, told in whole.signatures()]
    disk = large_disks(history, await PointParts.open(history, point))[0]
    found = [(extents, told) async for extents, told in disk.signatures()]
    assert len(found) > len(wanted)
    assert ext.union(*(extents for extents, _ in found)).tolist() == ext.union(*(np.array(extents) for extents, _ in wanted)).tolist()
    assert b"".join(told.tobytes() for _, told in found) == b"".join(told for _, told in wanted)


async def test_a_checkpoint_that_is_damaged_where_only_a_later_part_reads_it() -> None:
    machine = await grown(7)
    history, point = machine.history(), machine.points[-1].point.id
    wanted = described((await resolve(history, point)).disks[VDA])
    name = names.checkpoint(MACHINE, machine.checkpoints[-1].id.hex())
    whole = machine.store.objects[name]
    passed = 0
    for at in range(8, machine.checkpoints[-1].directory[0], 997):
        machine.store.objects[name] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        found = await PointParts.open(history, point)
        rows, _ = await in_parts(found, VDA)
        assert rows == wanted
        passed += len(found.ignored)
    assert passed
    told, lies = await honest(history)
    assert (told.checkpoints, lies) == (history.checkpoints, ())


async def test_an_operators_map_that_is_damaged_is_an_error() -> None:
    machine = await grown(8)
    history, point = machine.history(), machine.points[3].point.id
    newest = machine.checkpoints[-1]
    name = names.checkpoint(MACHINE, newest.id.hex())
    whole, pages = machine.store.objects[name], newest.directory[0]
    machine.store.objects[name] = whole[:8] + bytes(pages - 8) + whole[pages:]
    mapped = replace(history, checkpoints=(), maps={point: newest})
    found = await PointParts.open(mapped, point)
    with pytest.raises(IntegrityError, match=newest.id.hex()):
        await found.packs()


def test_ranges_of_two() -> None:
    one, other = np.array([[0, 10], [10, 5]]), np.array([[0, 4], [4, 7], [11, 90]])
    assert ext.finer(one, other).tolist() == [[0, 4], [4, 6], [10, 1], [11, 4]]
    assert ext.finer(other, one).tolist() == [[0, 4], [4, 6], [10, 1], [11, 90]]
    assert ext.finer(np.array([[0, 0]]), other).tolist() == [[0, 0]]
