"""The guests that other tests rely on do what they say: what is acknowledged survives a kill, and damage does not go unnoticed."""

from pathlib import Path

import pytest

from understudy.demo.disks import make_disk
from understudy.demo.guest import GuestFailed


async def test_what_was_acknowledged_survives_a_kill(start_guest, two_disks, check):
    guest = await start_guest("write", two_disks)
    await guest.wait_for_record(60)
    await guest.kill()
    numbers = [acknowledgement.number for acknowledgement in guest.acknowledged]
    assert numbers == list(range(1, guest.newest + 1))
    verdict = await check(two_disks)
    assert verdict.sound
    assert guest.newest <= verdict.highest <= guest.newest + 1
    assert verdict.head >= guest.newest


async def test_a_writer_goes_on_where_it_stopped(start_guest, two_disks, check):
    first = await start_guest("write", two_disks)
    await first.wait_for_record(20)
    await first.kill()
    second = await start_guest("write", two_disks)
    await second.wait_for_record(first.newest + 20)
    await second.kill()
    verdict = await check(two_disks)
    assert verdict.sound
    assert verdict.highest >= second.newest


async def test_disks_of_two_instants_are_told_apart(start_guest, two_disks, check):
    guest = await start_guest("write", two_disks)
    await guest.wait_for_record(10)
    await guest.kill()
    older = two_disks[0].path.read_bytes()
    guest = await start_guest("write", two_disks)
    await guest.wait_for_record(60)
    await guest.kill()
    two_disks[0].path.write_bytes(older)
    verdict = await check(two_disks)
    assert not verdict.sound
    assert verdict.missing > 0
    assert verdict.bad


async def test_a_damaged_record_is_noticed(start_guest, two_disks, check):
    guest = await start_guest("write", two_disks)
    await guest.wait_for_record(40)
    await guest.kill()
    image = bytearray(two_disks[0].path.read_bytes())
    # Record 1 begins with its magic number; the byte that changes is far inside it.
    place = image.index((0x64726F6365727375).to_bytes(8, "little"))
    image[place + 2000] ^= 1
    two_disks[0].path.write_bytes(image)
    verdict = await check(two_disks)
    assert verdict.corrupt == 1
    assert not verdict.sound


async def test_a_guest_does_as_it_is_told(start_guest, tmp_path: Path):
    disk = make_disk(tmp_path / "vda.raw", "raw", 64 << 20, file_system=False)
    guest = await start_guest("shell", [disk])
    await guest.run("tr '\\0' x </dev/zero | dd of=/dev/vda bs=1M count=4 iflag=fullblock oflag=direct")
    assert await guest.run("head -c 3 /dev/vda; echo") == ["xxx"]
    await guest.run("blkdiscard -o 1048576 -l 1048576 /dev/vda")
    with pytest.raises(GuestFailed, match="false"):
        await guest.run("false")
    await guest.kill()
    content = disk.path.read_bytes()
    assert content[: 4 << 20] == b"x" * (1 << 20) + bytes(1 << 20) + b"x" * (2 << 20)
    assert not any(content[4 << 20 :])


async def test_a_guest_with_large_sectors(start_guest, tmp_path: Path):
    disk = make_disk(tmp_path / "vda.qcow2", "qcow2", 64 << 20, file_system=False)
    guest = await start_guest("shell", [type(disk)(disk.path, "qcow2", sector=4096)])
    assert await guest.run("cat /sys/block/vda/queue/logical_block_size") == ["4096"]


async def test_a_guest_that_ends_too_early_says_what_it_said(start_guest, tmp_path: Path):
    disk = make_disk(tmp_path / "vda.raw", "raw", 16 << 20, file_system=False)
    guest = await start_guest("check", [disk])
    with pytest.raises(GuestFailed, match="mount vda"):
        await guest.verdict()


async def test_churn_writes_discards_and_writes_zeroes(start_guest, tmp_path: Path):
    disk = make_disk(tmp_path / "vda.raw", "raw", 64 << 20, file_system=False)
    disk.path.write_bytes(b"x" * (64 << 20))
    guest = await start_guest("shell", [disk])
    assert await guest.run("churn /dev/vda 7 200") == ["@churned /dev/vda 200"]
    await guest.kill()
    content = disk.path.read_bytes()
    blocks = [content[at : at + 4096] for at in range(0, 64 << 20, 1 << 18)]
    assert any(not any(block) for block in blocks)
    assert any(block == b"x" * 4096 for block in blocks)
    assert any(block[:1] != b"x" and any(block) for block in blocks)
