"""The contract of DiskSource, for every kind. A kind's tests subclass `Conformance` and give a `rig`."""

import asyncio
import secrets
from typing import Protocol

import numpy as np
import pytest

from understudy import extents as ext
from understudy.errors import UnderstudyError
from understudy.model import BLOCK_SIZE, Bytes, Extents, Lost, Tracked, blocks_of
from understudy.source.protocol import DiskSnapshot, DiskSource, Snapshot

Contents = dict[str, Bytes]


class Rig(Protocol):
    """A machine with disks that a test can write."""

    tracks: bool
    """Whether this kind records changes."""
    shared: bool
    """Whether the disks may be written while they are frozen."""

    partial: bool
    """Whether of a disk with a base only what changed can be read."""

    def source(self) -> DiskSource:
        """A new source for it, as another process would make."""
        ...

    async def write(self, disk: str, offset: int, length: int, value: int) -> None:
        """Fill a range with one byte, as the guest would."""
        ...

    async def contents(self) -> Contents:
        """All disks as they are now."""
        ...

    async def leftovers(self) -> list[str]:
        """Everything that a source left in the machine, by name."""
        ...


def padded(content: Bytes) -> Bytes:
    """Content to whole blocks."""
    return np.concatenate([content, np.zeros(blocks_of(len(content)) * BLOCK_SIZE - len(content), np.uint8)])


async def whole(disk: DiskSnapshot) -> Bytes:
    """A disk's blocks, read in several calls at once."""
    blocks = blocks_of(disk.info.size)
    buffer = np.full(blocks * BLOCK_SIZE, 0xAA, np.uint8)
    parts, position = [], 0
    for unit in ext.units(ext.whole(blocks), 100, 10):
        length = ext.total(unit) * BLOCK_SIZE
        parts.append(disk.read_into(unit, buffer[position : position + length]))
        position += length
    await asyncio.gather(*parts)
    return buffer


async def shows(disk: DiskSnapshot, content: Bytes, partial: bool) -> bool:
    """Whether it reads as `content`; `partial`: where it may have changed, at least."""
    expected, changes = padded(content), await disk.changed()
    if not partial or isinstance(changes, Lost):
        return bool((await whole(disk) == expected).all())
    assert isinstance(changes, Tracked)
    buffer = np.empty(ext.total(changes.extents) * BLOCK_SIZE, np.uint8)
    await disk.read_into(changes.extents, buffer)
    return bool((buffer.reshape(-1, BLOCK_SIZE) == expected.reshape(-1, BLOCK_SIZE)[ext.block_numbers(changes.extents)]).all())


def covers(extents: Extents, old: Bytes, new: Bytes) -> bool:
    """Whether every block that differs lies in `extents`, and these lie on the disk."""
    differs = (padded(old) != padded(new)).reshape(-1, BLOCK_SIZE).any(axis=1)
    marked = np.zeros(len(differs), bool)
    for first, count in extents.tolist():
        assert 0 <= first < first + count <= len(differs)
        marked[first : first + count] = True
    return not (differs & ~marked).any()


def fresh() -> str:
    return secrets.token_hex(16)


class Conformance:
    async def test_probe_changes_nothing(self, rig: Rig) -> None:
        source = rig.source()
        before = await rig.contents()
        first, second = await source.probe(), await source.probe()
        assert first == second
        assert {disk.name: disk.size for disk in first.disks} == {name: len(content) for name, content in before.items()}
        assert await rig.leftovers() == []
        await source.close()
        await source.close()

    async def test_a_snapshot_is_the_disks(self, rig: Rig) -> None:
        source = rig.source()
        await source.recover(None)
        before = await rig.contents()
        snapshot = await source.freeze(fresh(), None)
        assert snapshot.consistency == "crash"
        for disk in snapshot.disks:
            expected = padded(before[disk.info.name])
            assert (await whole(disk) == expected).all()
            allocated = await disk.allocated()
            outside = np.ones(len(expected) // BLOCK_SIZE, bool)
            for first, count in allocated.tolist():
                outside[first : first + count] = False
            assert not expected.reshape(-1, BLOCK_SIZE)[outside].any()
        for _ in range(2):
            await source.release(True)
        await source.remove()
        await source.remove()
        assert await rig.leftovers() == []
        await source.close()

    async def test_what_is_pending_is_told_where_changes_are_recorded(self, rig: Rig) -> None:
        source = rig.source()
        await source.recover(None)
        assert await source.pending() is None
        await source.freeze(fresh(), None)
        await source.release(True)
        disk = next(iter(await rig.contents()))
        before = await source.pending()
        await rig.write(disk, 0, 256 * 1024, 0x5A)
        after = await source.pending()
        assert (before, after) == ((0, 256 * 1024) if rig.tracks else (None, None))
        await source.remove()
        await source.close()

    async def test_scattered_extents_in_their_order(self, rig: Rig) -> None:
        source = rig.source()
        await source.recover(None)
        before = await rig.contents()
        snapshot = await source.freeze(fresh(), None)
        for disk in snapshot.disks:
            blocks = blocks_of(disk.info.size)
            wanted = np.array([[0, 1], [1, 2], [7, 1], [blocks // 2, 20], [blocks - 1, 1]], np.int64)
            buffer = np.full(25 * BLOCK_SIZE, 0xAA, np.uint8)
            await disk.read_into(wanted, buffer)
            numbers = ext.block_numbers(wanted)
            assert (buffer.reshape(-1, BLOCK_SIZE) == padded(before[disk.info.name]).reshape(-1, BLOCK_SIZE)[numbers]).all()
            await disk.read_into(wanted[:0], buffer[:0])
        await source.release(False)
        await source.close()

    async def test_a_view_ends_with_its_freeze(self, rig: Rig) -> None:
        source = rig.source()
        await source.recover(None)
        snapshot = await source.freeze(fresh(), None)
        with pytest.raises(UnderstudyError):
            await source.freeze(fresh(), None)
        await source.release(None)
        with pytest.raises(UnderstudyError):
            await snapshot.disks[0].read_into(np.array([[0, 1]], np.int64), np.zeros(BLOCK_SIZE, np.uint8))
        await source.remove()
        await source.close()

    @pytest.mark.parametrize("seed", range(3))
    async def test_cycles_that_succeed_fail_and_hang_in_doubt(self, rig: Rig, seed: int) -> None:
        """After any history, what differs from the base lies in what is said to have changed."""
        random = np.random.default_rng(seed)
        source = rig.source()
        await source.recover(None)
        base: str | None = None
        at_base: Contents = {}
        for _ in range(14):
            await self.scribble(rig, random)
            point = fresh()
            before = await rig.contents()
            snapshot = await source.freeze(point, base)
            if rig.shared:
                await self.scribble(rig, random)
            if base is not None:
                await self.check_changed(rig, snapshot, at_base, before)
            for disk in snapshot.disks:
                assert await shows(disk, before[disk.info.name], rig.partial)
            fate = random.choice(["committed", "failed", "doubt, committed", "doubt, lost", "killed, committed", "killed, lost"])
            if fate in ("committed", "failed"):
                await source.release(fate == "committed")
            elif fate.startswith("doubt"):
                await source.release(None)
            if fate.startswith("killed"):
                await source.close()
                source = rig.source()
            if "committed" in fate:
                base, at_base = point, before
            if "," in fate:
                await source.recover(base)
        await source.remove()
        assert await rig.leftovers() == []
        await source.close()

    async def scribble(self, rig: Rig, random: np.random.Generator) -> None:
        for name, content in (await rig.contents()).items():
            for _ in range(int(random.integers(0, 3))):
                sectors = len(content) // BLOCK_SIZE
                first = int(random.integers(0, sectors))
                count = int(random.integers(1, min(sectors - first, 40) + 1))
                await rig.write(name, first * BLOCK_SIZE, count * BLOCK_SIZE, int(random.integers(0, 256)))

    async def check_changed(self, rig: Rig, snapshot: Snapshot, old: Contents, new: Contents) -> None:
        for disk in snapshot.disks:
            changes = await disk.changed()
            assert not isinstance(changes, Lost)
            assert isinstance(changes, Tracked) == rig.tracks
            if isinstance(changes, Tracked):
                assert covers(changes.extents, old[disk.info.name], new[disk.info.name])
