"""Space for what the guest overwrites: taken beforehand, more of it in time, and given back before a write of the guest could fail."""

import asyncio
import os
import secrets
import subprocess

import pytest

from tests.source.conformance import padded, whole
from tests.source.machine import MACHINE, MIB, Machine, blockdev
from tests.source.test_qemu_failures import first_block
from tests.source.test_qemu_shapes import cycle
from understudy.errors import SourceUnavailable, StateFailed
from understudy.source.qemu import QemuSource
from understudy.source.qemu_scratch import free_bytes, shares


@pytest.mark.parametrize(
    ("largest", "reserve", "expected"),
    [([10], 4, [4]), ([10], 40, [10]), ([10, 10], 8, [4, 4]), ([1, 100, 100], 21, [1, 10, 10]), ([100, 1], 21, [20, 1]), ([], 5, [])],
)
def test_shares(largest, reserve, expected):
    assert shares(largest, reserve) == expected


if os.geteuid() == 0:  # only root can make a file system

    @pytest.fixture
    async def small(short_directory):
        """A state directory on a file system of its own."""
        state = short_directory / "state"
        state.mkdir()
        await asyncio.to_thread(subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=32M", "tmpfs", str(state)], check=True)
        yield state
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(state)], check=True)

    async def test_a_freeze_is_given_up_before_the_scratch_is_full(start_machine, short_directory, small):
        machine: Machine = await start_machine(blockdev(short_directory, "a", "raw", 64 * MIB))
        await machine.write("a", 0, 64 * MIB, 1)
        refused = QemuSource(MACHINE, machine.qmp, small)
        with pytest.raises(StateFailed, match="needs 66 MiB"):
            await refused.freeze(secrets.token_hex(16), None)
        await refused.close()
        source = QemuSource(MACHINE, machine.qmp, small, scratch_reserve=24 * MIB)
        await source.recover(None)
        base, _ = await cycle(source, machine, None, None)
        snapshot = await source.freeze(secrets.token_hex(16), base)
        taken = free_bytes(small)
        assert taken <= 8 * MIB
        for at in range(1, 11):
            await machine.write("a", at * MIB, MIB, 2)
        assert free_bytes(small) == taken
        for at in range(11, 20):
            await machine.write("a", at * MIB, MIB, 2)
        await machine.until(lambda: no_jobs(machine))
        with pytest.raises(SourceUnavailable, match=r"no more were left|QEMU ended the job"):
            await first_block(snapshot.disks[0])
        await machine.write("a", 30 * MIB, 30 * MIB, 3)
        await source.release(False)
        await source.remove()
        assert await machine.leftovers() == []
        await source.close()

    async def test_more_scratch_is_taken_while_there_is_some(start_machine, short_directory, small):
        machine: Machine = await start_machine(blockdev(short_directory, "a", "raw", 24 * MIB))
        await machine.write("a", 0, 24 * MIB, 1)
        source = QemuSource(MACHINE, machine.qmp, small, scratch_reserve=12 * MIB)
        await source.recover(None)
        base, _ = await cycle(source, machine, None, None)
        before = await machine.contents()
        snapshot = await source.freeze(secrets.token_hex(16), base)
        armed = source._freeze.view._watch.armed
        for first, count, free in ((0, 4, 12), (4, 5, 7), (9, 15, 7)):
            old = list(armed)
            await machine.write("a", first * MIB, count * MIB, 2)
            if first < 9:
                await machine.until(lambda old=old: settled(len(armed) == 1 and armed != old))
            assert free_bytes(small) < free * MIB
        assert (await whole(snapshot.disks[0]) == padded(before["a"])).all()
        await source.release(True)
        await source.remove()
        assert await machine.leftovers() == []
        await source.close()

    async def no_jobs(machine: Machine) -> bool:
        return await machine.execute("query-jobs") == []

    async def settled(true: bool) -> bool:
        return true
