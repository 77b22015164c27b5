"""Everything that goes wrong."""

import asyncio
import secrets

import numpy as np
import pytest

from tests.source.conformance import covers, padded, whole
from tests.source.machine import MACHINE, METHODS, MIB, blockdev
from tests.source.test_qemu_shapes import cycle
from understudy.errors import SourceRefused, SourceUnavailable, StateFailed
from understudy.model import BLOCK_SIZE, Lost, Tracked
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import PUSH, Wanted

ONE = np.array([[0, 1]], np.int64)


async def first_block(disk) -> None:
    await disk.read_into(ONE, np.zeros(BLOCK_SIZE, np.uint8))


async def test_a_refused_transaction_changes_nothing(two_disks):
    """Somebody resizes a bitmap's disk away, say: whatever the reason, the base's record goes on."""
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    await machine.write("vdb", 0, BLOCK_SIZE, 9)
    point = secrets.token_hex(16)
    name = f"understudy-{MACHINE[:12]}-{point}"
    await machine.execute("block-dirty-bitmap-add", node="vdb-format", name=name)
    with pytest.raises(SourceRefused, match="transaction"):
        await source.freeze(point, base)
    left = [name for name in await machine.leftovers(lasting=False) if "understudy-size-" not in name]
    assert sorted(left) == [f"{disk}-format:understudy-{MACHINE[:12]}-{base}" for disk in ("vda", "vdb")]
    await cycle(source, machine, base, content)
    await source.remove()
    await source.close()


async def test_a_scratch_directory_that_qemu_cannot_write(two_disks):
    machine = two_disks
    machine.state.mkdir()
    (machine.state / "scratch").write_text("in the way")
    source = machine.source()
    await source.recover(None)
    with pytest.raises(StateFailed, match="File exists"):
        await source.freeze(secrets.token_hex(16), None)
    assert await machine.leftovers() == [str(machine.state / "scratch")]
    await source.close()


async def test_no_space_for_scratch(two_disks):
    source = QemuSource(MACHINE, two_disks.qmp, two_disks.state, scratch_reserve=1 << 60)
    await source.recover(None)
    await source.freeze(secrets.token_hex(16), None)  # small disks need little, whatever the reserve
    await source.release(False)
    await source.close()


async def test_qemu_killed_while_read(two_disks):
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    base, _ = await cycle(source, machine, None, None)
    await machine.write("vda", 0, MIB, 5)
    snapshot = await source.freeze(secrets.token_hex(16), base)

    async def read_on() -> None:
        while True:
            await whole(snapshot.disks[0])

    reading = asyncio.ensure_future(read_on())
    await asyncio.sleep(0.05)
    await machine.kill()
    with pytest.raises(SourceUnavailable):
        await reading
    with pytest.raises(SourceUnavailable):
        await snapshot.disks[1].allocated()
    await source.release(False)
    await source.release(False)
    assert list(machine.state.rglob("*")) == []
    with pytest.raises(SourceUnavailable, match="no QEMU listens"):
        await source.freeze(secrets.token_hex(16), base)
    with pytest.raises(SourceUnavailable, match="no QEMU listens"):
        await source.remove()
    # The same VM again: its records died with the old process.
    await machine.start()
    await source.recover(base)
    snapshot = await source.freeze(secrets.token_hex(16), base)
    for disk in snapshot.disks:
        changes = await disk.changed()
        assert isinstance(changes, Lost)
        assert "restarted" in changes.reason
    await source.release(True)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


async def test_a_connection_lost_while_frozen(two_disks):
    """QEMU lives on: everything is found again by the next session."""
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    base, content = await cycle(source, machine, None, None)
    await machine.write("vdb", 0, BLOCK_SIZE, 9)
    before = await machine.contents()
    await source.freeze(secrets.token_hex(16), base)
    assert source._session is not None
    await source._session.close()
    await asyncio.sleep(0.05)
    await source.release(False)
    snapshot = await source.freeze(secrets.token_hex(16), base)
    for disk in snapshot.disks:
        changes = await disk.changed()
        assert isinstance(changes, Tracked)
        assert covers(changes.extents, content[disk.info.name], before[disk.info.name])
    await source.release(True)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


async def test_a_view_whose_job_was_ended_by_somebody_is_not_believed(two_disks):
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    snapshot = await source.freeze(secrets.token_hex(16), None)
    await first_block(snapshot.disks[0])
    (job, _) = [entry["id"] for entry in await machine.execute("query-jobs")]
    await machine.execute("block-job-cancel", device=job, force=True)
    await machine.write("vda", 0, MIB, 0x99)
    for disk in snapshot.disks:
        with pytest.raises(SourceUnavailable, match="QEMU ended the job"):
            await first_block(disk)
        with pytest.raises(SourceUnavailable, match="QEMU ended the job"):
            await disk.allocated()
    await source.release(False)
    assert await machine.leftovers() == []
    await source.close()


@pytest.mark.parametrize("idle", [True, False])
async def test_records_that_somebody_spoiled(two_disks, idle):
    """Removed, switched off, or left behind on another node: never a delta from it."""
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    base, _ = await cycle(source, machine, None, None)
    name = f"understudy-{MACHINE[:12]}-{base}"
    if not idle:
        await machine.write("vda", 0, BLOCK_SIZE, 9)

    async def changes(expected: str) -> None:
        snapshot = await source.freeze(secrets.token_hex(16), base)
        found = {disk.info.name: await disk.changed() for disk in snapshot.disks}
        lost = found["vdb"]
        assert isinstance(lost, Lost)
        assert expected in lost.reason
        assert isinstance(found["vda"], Tracked)
        assert (await whole(snapshot.disks[1]) == padded((await machine.contents())["vdb"])).all()
        await source.release(False)

    await machine.execute("block-dirty-bitmap-disable", node="vdb-format", name=name)
    await machine.write("vdb", 0, BLOCK_SIZE, 8)
    await changes("switched off")
    # A cycle that failed does not bring it back.
    await changes("somebody removed the record")
    point = secrets.token_hex(16)
    await source.freeze(point, base)
    await source.release(True)
    base = point
    await machine.execute(
        "blockdev-snapshot-sync", node_name="vdb-format", snapshot_file=f"{machine.directory}/over", snapshot_node_name="over"
    )
    snapshot = await source.freeze(secrets.token_hex(16), base)
    lost = await snapshot.disks[1].changed()
    assert isinstance(lost, Lost)
    assert "another node" in lost.reason
    await source.release(True)
    await source.remove()
    # QEMU has made the lower image read-only, and what is kept in it cannot be removed.
    assert await machine.leftovers(lasting=False) == []
    await source.close()


async def test_a_disk_unplugged_while_frozen(start_machine, short_directory):
    """It can still be read to its end, and nothing of ours stays on its node."""

    async def gone() -> bool:
        return not any("b" in entry.get("qdev", "").split("/") for entry in await machine.execute("query-block"))

    disks = [blockdev(short_directory, name, "raw", MIB, device="scsi-hd") for name in ("a", "b")]
    machine = await start_machine(*disks, options=["-device", "virtio-scsi-pci"])
    source = machine.source()
    await source.recover(None)
    base, before = await cycle(source, machine, None, None)
    await machine.write("b", 0, BLOCK_SIZE, 3)
    before = await machine.contents()
    snapshot = await source.freeze(secrets.token_hex(16), base)
    await machine.execute("device_del", id="b")
    await machine.until(gone)
    for disk in snapshot.disks:
        assert (await whole(disk) == padded(before[disk.info.name])).all()
    await source.release(False)
    assert [disk.name for disk in (await source.probe()).disks] == ["a"]
    await source.freeze(secrets.token_hex(16), base)
    await source.release(True)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


async def test_an_idle_machine_needs_no_view_until_somebody_wants_one(two_disks):
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    base, _ = await cycle(source, machine, None, None)
    await source.freeze(point := secrets.token_hex(16), base)
    await source.release(True)
    snapshot = await source.freeze(secrets.token_hex(16), point)
    assert [len((await disk.changed()).extents) for disk in snapshot.disks] == [0, 0]
    assert await machine.execute("query-block-exports") == []
    await machine.write("vda", 0, MIB, 0x77)
    await snapshot.disks[0].read_into(ONE[:0], np.empty(0, np.uint8))
    with pytest.raises(SourceUnavailable, match="had not changed"):
        await first_block(snapshot.disks[0])
    await source.release(False)
    snapshot = await source.freeze(secrets.token_hex(16), point)
    assert len((await snapshot.disks[0].changed()).extents)
    await source.release(False)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


@pytest.mark.parametrize("method", [method for method in METHODS if method != PUSH])
async def test_discards_and_zeroes_under_a_freeze(two_disks, method):
    """What `allocated` leaves out was zero at the freeze, whatever the guest throws away meanwhile."""
    machine = two_disks
    machine.wanted = Wanted(method, allow_pause=True)
    source = machine.source()
    await source.recover(None)
    random = np.random.default_rng(5)
    base, at_base = None, None
    for _ in range(12):
        for name, size in (("vda", 8 * MIB), ("vdb", 6 * MIB)):
            await machine.write(name, int(random.integers(0, size // MIB)) * MIB, MIB, int(random.integers(1, 256)))
        before = await machine.contents()
        snapshot = await source.freeze(point := secrets.token_hex(16), base)

        async def throw_away() -> None:
            for _ in range(6):
                name, size = (("vda", 8 * MIB), ("vdb", 6 * MIB))[int(random.integers(0, 2))]
                where = int(random.integers(0, size // 65536)) * 65536
                await machine.io(name, f"{['discard', 'write -z', 'write -z -u'][int(random.integers(0, 3))]} {where} 65536")

        wasting = asyncio.ensure_future(throw_away())
        for disk in snapshot.disks:
            expected = padded(before[disk.info.name])
            allocated = await disk.allocated()
            outside = np.ones(len(expected) // BLOCK_SIZE, bool)
            for first, count in allocated.tolist():
                outside[first : first + count] = False
            assert not expected.reshape(-1, BLOCK_SIZE)[outside].any()
            if at_base is not None:
                changes = await disk.changed()
                assert isinstance(changes, Tracked)
                assert covers(changes.extents, at_base[disk.info.name], before[disk.info.name])
            assert (await whole(disk) == expected).all()
        await wasting
        await source.release(True)
        base, at_base = point, before
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()


async def test_a_cancelled_freeze_leaves_nothing(two_disks):
    machine = two_disks
    source = machine.source()
    await source.recover(None)
    for milliseconds in range(0, 60, 4):
        freezing = asyncio.ensure_future(source.freeze(secrets.token_hex(16), None))
        await asyncio.sleep(milliseconds / 1000)
        freezing.cancel()
        try:
            await freezing
        except asyncio.CancelledError:
            assert await machine.leftovers() == []
        else:
            await source.release(False)
    await source.remove()
    assert await machine.leftovers() == []
    await source.close()
