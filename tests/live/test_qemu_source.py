"""The QEMU source on a guest that runs: a replica kept from what it says is, at every committed point, the guest's disks."""

import asyncio
import secrets
import subprocess
from pathlib import Path

import numpy as np
import pytest

from understudy import extents as ext
from understudy.demo.disks import make_disk
from understudy.demo.machine import GuestDisk
from understudy.model import BLOCK_SIZE, Bytes, Tracked
from understudy.qemu.session import QmpSession
from understudy.source.protocol import Snapshot
from understudy.source.qemu import QemuSource

MACHINE = "ab" * 16
UNIT = 1024


async def apply(snapshot: Snapshot, replica: dict[str, Bytes]) -> tuple[dict[str, Bytes], int]:
    """The replica after this snapshot, and how many blocks were read for it."""
    after, read = {}, 0
    for disk in snapshot.disks:
        name, changes = disk.info.name, await disk.changed()
        image = replica[name].copy() if isinstance(changes, Tracked) else np.zeros(disk.info.size, np.uint8)
        extents = changes.extents if isinstance(changes, Tracked) else await disk.allocated()
        for unit in ext.units(extents, UNIT, 64):
            buffer = np.empty(ext.total(unit) * BLOCK_SIZE, np.uint8)
            await disk.read_into(unit, buffer)
            image.reshape(-1, BLOCK_SIZE)[ext.block_numbers(unit)] = buffer.reshape(-1, BLOCK_SIZE)
        after[name] = image
        read += ext.total(extents)
    return after, read


def disk_now(disk: GuestDisk, directory: Path) -> Bytes:
    if disk.format == "raw":
        return np.fromfile(disk.path, np.uint8)
    copy = directory / "copy"
    subprocess.run(["qemu-img", "convert", "-U", "-f", disk.format, "-O", "raw", str(disk.path), str(copy)], check=True)
    return np.fromfile(copy, np.uint8)


@pytest.fixture
def two_small_disks(tmp_path: Path) -> list[GuestDisk]:
    return [make_disk(tmp_path / "a.raw", "raw", 64 << 20), make_disk(tmp_path / "b.qcow2", "qcow2", 64 << 20)]


async def test_a_replica_follows_a_guest_that_writes(start_guest, two_small_disks, check, tmp_path):
    guest = await start_guest("write", two_small_disks)
    control = await QmpSession.connect(str(guest.control))
    source = QemuSource(MACHINE, str(guest.qmp), guest.directory / "state", {"vda": "vd0", "vdb": "vd1"})
    await source.recover(None)
    random = np.random.default_rng(3)
    replica: dict[str, Bytes] = {}
    base, acknowledged, compared = None, 0, 0
    for number in range(9):
        await guest.wait_for_record(guest.newest + 10)
        still = number % 4 == 3
        if still:
            await control.execute("stop")
        newest, point = guest.newest, secrets.token_hex(16)
        snapshot = await source.freeze(point, base)
        after, read = await apply(snapshot, replica)
        committed = still or number == 0 or bool(random.integers(0, 3))
        await source.release(committed)
        if committed:
            base, replica, acknowledged = point, after, newest
            assert number == 0 or read * BLOCK_SIZE < sum(map(len, after.values())) // 4
        if still:
            for disk, name in zip(two_small_disks, ("vda", "vdb"), strict=True):
                assert (await asyncio.to_thread(disk_now, disk, tmp_path) == replica[name]).all()
                compared += 1
            await control.execute("cont")
        if number == 5:
            await source.close()
            source = QemuSource(MACHINE, str(guest.qmp), guest.directory / "state", {"vda": "vd0", "vdb": "vd1"})
            await source.recover(base)
    assert compared == 4
    await control.close()
    await source.close()
    await guest.kill()
    copies = []
    for name, image in replica.items():
        image.tofile(tmp_path / f"{name}.copy")
        copies.append(GuestDisk(tmp_path / f"{name}.copy", "raw"))
    verdict = await check(copies)
    assert verdict.sound
    assert verdict.highest >= acknowledged


async def test_discards_of_a_file_system(start_guest, two_small_disks, tmp_path):
    """Files come and go under discards; each frozen view is compared with the stopped disk."""
    guest = await start_guest("shell", two_small_disks)
    control = await QmpSession.connect(str(guest.control))
    source = QemuSource(MACHINE, str(guest.qmp), guest.directory / "state", {"vda": "vd0", "vdb": "vd1"})
    await source.recover(None)
    replica: dict[str, Bytes] = {}
    base = None
    await guest.run("dd if=/dev/urandom of=/noise bs=1M count=4 2>/dev/null")
    for number in range(3):
        for device in ("vda", "vdb"):
            where = 8 * ((number * 7) % 7)
            await guest.run(f"dd if=/noise of=/dev/{device} bs=1M seek={where} oflag=direct 2>/dev/null")
            await guest.run(f"blkdiscard -o {(where + 1) << 20} -l {2 << 20} /dev/{device}")
        await control.execute("stop")
        snapshot = await source.freeze(point := secrets.token_hex(16), base)
        await control.execute("cont")
        churning = asyncio.ensure_future(guest.run("blkdiscard -o 0 -l 8388608 /dev/vda; blkdiscard -o 16777216 -l 8388608 /dev/vdb"))
        replica, _ = await apply(snapshot, replica)
        await churning
        await source.release(True)
        base = point
        await control.execute("stop")
        point = secrets.token_hex(16)
        replica, _ = await apply(await source.freeze(point, base), replica)
        await source.release(True)
        base = point
        for disk, name in zip(two_small_disks, ("vda", "vdb"), strict=True):
            assert (await asyncio.to_thread(disk_now, disk, tmp_path) == replica[name]).all()
        await control.execute("cont")
    await source.remove()
    nodes = await control.execute("query-named-block-nodes", {"flat": True})
    assert not any(node.get("dirty-bitmaps") for node in nodes)
    assert not any(node["node-name"].startswith("us-") for node in nodes)
    await control.close()
    await source.close()
