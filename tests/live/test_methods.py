"""Every method of freezing under a guest that writes all the time; and disks that fill up under what is not the guest's."""

import asyncio
import os
import secrets
import subprocess
from pathlib import Path

from tests.cli.installed import Host
from tests.live.test_qemu_source import apply, disk_now
from tests.live.test_scratch import fill
from tests.source.machine import METHODS
from understudy.demo.disks import make_disk
from understudy.demo.machine import GuestDisk
from understudy.model import Bytes
from understudy.qemu.session import QmpSession
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import AUTO, BREAK_SNAPSHOT, PUSH, Wanted

MACHINE = "ef" * 16
SIZE = 48 << 20


async def follow(guest, directory: Path, disks: dict[str, GuestDisk], names: dict[str, str], wanted: Wanted) -> str:
    """Some cycles, each compared with the disks of the stopped guest; the method that made them."""
    control = await QmpSession.connect(str(guest.control))
    source = QemuSource(MACHINE, str(guest.qmp), guest.directory / "state", names, wanted)
    await source.recover(None)
    replica: dict[str, Bytes] = {}
    base, method = None, ""
    for _ in range(3):
        await control.execute("stop")
        snapshot = await source.freeze(point := secrets.token_hex(16), base)
        truth = {name: await asyncio.to_thread(disk_now, disk, directory) for name, disk in disks.items()}
        await control.execute("cont")
        replica, _ = await apply(snapshot, replica)
        await source.release(True)
        assert all((replica[name] == truth[name]).all() for name in disks)
        base, method = point, snapshot.method
    # And none of this needs the guest to be stopped by somebody else.
    for _ in range(3):
        await apply(await source.freeze(point := secrets.token_hex(16), base), replica)
        await source.release(False)
    assert (await control.execute("query-status"))["status"] == "running"
    await source.remove()
    await source.close()
    await control.close()
    return method


async def test_each_method_follows_a_guest_that_writes(start_guest, short_directory, tmp_path):
    """One of its disks is on an iothread, where QEMU before 9 dies when a reader of its exports goes."""
    plain = make_disk(tmp_path / "a.raw", "raw", SIZE, file_system=False)
    threaded = make_disk(tmp_path / "b.qcow2", "qcow2", SIZE, file_system=False)
    devices = ["-object", "iothread,id=io", "-blockdev", f"driver=file,filename={threaded.path},node-name=io-file"]
    devices += ["-blockdev", "driver=qcow2,file=io-file,node-name=io-disk", "-device", "virtio-blk-pci,drive=io-disk,iothread=io,id=vdio"]
    guest = await start_guest("shell", [plain], devices=devices)
    for device in ("vda", "vdb"):
        await guest.run(f"churn /dev/{device} 1 300")
        await guest.run(f"churn /dev/{device} 2 0 &")
    disks = {"a": plain, "b": threaded}
    assert await follow(guest, tmp_path, disks, {"a": "vd0", "b": "vdio"}, Wanted(AUTO)) in ("push", "fleecing")
    assert await follow(guest, tmp_path, disks, {"a": "vd0", "b": "vdio"}, Wanted(PUSH)) == PUSH
    if BREAK_SNAPSHOT in METHODS:
        assert await follow(guest, tmp_path, {"a": plain}, {"a": "vd0"}, Wanted(BREAK_SNAPSHOT)) == BREAK_SNAPSHOT
    assert guest.running


if os.geteuid() == 0:  # only root can make a file system

    async def test_a_full_vault_costs_the_guest_nothing_and_is_gone_on_from(start_guest, short_directory, tmp_path):
        disk = make_disk(tmp_path / "a.raw", "raw", SIZE, file_system=False)
        vault = tmp_path / "small"
        vault.mkdir()
        await asyncio.to_thread(subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", str(vault)], check=True)
        try:
            guest = await start_guest("shell", [disk])
            control = await QmpSession.connect(str(guest.control))
            host = Host(short_directory, vault / "vault", tmp_path / "key")
            await asyncio.to_thread(host.run_installed, "vault", "create")
            await asyncio.to_thread(host.run_installed, "protect", "web", "--qmp", str(guest.qmp))
            await asyncio.to_thread(host.run_installed, "replicate", "web")
            await guest.run("dd if=/dev/urandom of=/dev/vda bs=1M count=16 oflag=direct 2>/dev/null")
            await asyncio.to_thread(fill, vault)
            with host.start("replicate", "web", "--every", "1s", "--json") as process:
                assert process.stdout is not None
                said = await asyncio.to_thread(process.stdout.readline)
                assert "retry" in said
                assert "No space left" in said
                assert await control.execute("query-jobs") == []
                await guest.run("dd if=/dev/urandom of=/dev/vda bs=1M count=16 seek=16 oflag=direct 2>/dev/null")
                (vault / "filler").unlink()
                while '"cycle"' not in said:
                    said = await asyncio.to_thread(process.stdout.readline)
                    assert said
                process.terminate()
            assert (await control.execute("query-status"))["status"] == "running"
            proven = await asyncio.to_thread(host.run_installed, "verify", "web", "--all")
            assert proven["damage"] == []
            await control.close()
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", str(vault)], check=True)
