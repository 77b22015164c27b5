"""The whole way on a guest that writes, discards and writes zeroes without rest: every point is the disks as they were.

Between points that are compared, understudy is killed in the middle of cycles, and once QEMU too.
"""

import asyncio
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installed import Host
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.demo.machine import GuestDisk
from understudy.qemu.session import QmpSession

SIZE = 48 << 20
NAMES = ("vda", "vdb")
ROUNDS = 5
KILLED_AT = 2


@pytest.fixture
def bare_disks(tmp_path: Path) -> list[GuestDisk]:
    raw = make_disk(tmp_path / "a.raw", "raw", SIZE, file_system=False)
    return [raw, make_disk(tmp_path / "b.qcow2", "qcow2", SIZE, file_system=False)]


async def churning(start_guest, disks: list[GuestDisk], seed: int) -> tuple[Guest, QmpSession]:
    guest = await start_guest("shell", disks)
    await guest.run(f"churn /dev/vda {seed} 0 & churn /dev/vdb {seed + 1} 0 &")
    return guest, await QmpSession.connect(str(guest.control))


def contents(disks: list[GuestDisk], scratch: Path) -> list[bytes]:
    """The disks of a guest that is stopped: QEMU has written everything by then."""
    found = []
    for disk in disks:
        path = disk.path
        if disk.format != "raw":
            path = scratch / "flat"
            subprocess.run(["qemu-img", "convert", "-U", "-f", disk.format, "-O", "raw", str(disk.path), str(path)], check=True)
        found.append(path.read_bytes())
    return found


async def killed_within_cycles(host: Host, chance: random.Random) -> None:
    with host.start("replicate", "web", "--every", "50ms", "--json") as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        await asyncio.sleep(chance.uniform(0, 0.6))
        process.send_signal(signal.SIGKILL)


async def test_every_point_is_the_disks_as_they_were(start_guest, bare_disks, short_directory, tmp_path):
    chance = random.Random(11)
    host = Host(short_directory, tmp_path / "vault", tmp_path / "key")

    async def done(*words: str) -> Any:
        return await asyncio.to_thread(host.run_installed, *words)

    await done("vault", "create")
    guest, control = await churning(start_guest, bare_disks, 1)
    points, causes = {}, []
    for number in range(ROUNDS):
        if number in (0, KILLED_AT):
            await done("protect", "web", "--qmp", str(guest.qmp), "--disk", "vda=disk0", "--disk", "vdb=disk1")
        if number % 2:
            await killed_within_cycles(host, chance)
        await asyncio.sleep(0.5)
        await control.execute("stop")
        cycle = await done("replicate", "web")
        points[cycle["point"]] = await asyncio.to_thread(contents, bare_disks, tmp_path)
        causes.append(cycle["cause"])
        await control.execute("cont")
        if number == KILLED_AT - 1:
            await control.close()
            await guest.kill()
            guest, control = await churning(start_guest, bare_disks, 100)
    await control.close()
    assert len({tuple(map(hash, images)) for images in points.values()}) == ROUNDS
    assert causes[0] == "initial"
    assert causes[KILLED_AT] == "resync", "QEMU was killed, and what it tracked with it"
    assert set(causes[1:KILLED_AT] + causes[KILLED_AT + 1 :]) == {"delta"}

    for point, images in points.items():
        await done("restore", f"web@{point}", "--to", str(tmp_path / "restored"))
        for name, image in zip(NAMES, images, strict=True):
            assert (tmp_path / "restored" / f"{name}.raw").read_bytes() == image
    assert (await done("verify", "web", "--all"))["damage"] == []
