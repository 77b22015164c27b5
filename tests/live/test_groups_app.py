"""Two guests of a group with agents: file systems are frozen before any VM is stopped, and thawed after all go on."""

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

from tests.live.agent_kit import SERVE, with_agent
from tests.live.test_app_consistent import PATIENCE, frozen_now, goes_on, journal_is_clean, patient
from understudy.demo.accelerator import Finding
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.demo.kit import Kit
from understudy.engine import QemuSource
from understudy.replication.gate import Assembly
from understudy.source.protocol import Wish

NAMES = ("first", "second")


async def booted(kit: Kit, accelerator: Finding, directory: Path, disk: Path) -> Guest:
    await asyncio.to_thread(directory.mkdir)
    channel = ("-chardev", f"socket,path={directory}/qga,server=on,wait=off,id=qga", "-device", "isa-serial,chardev=qga")
    disks = [make_disk(disk, "raw", 64 << 20)]
    options = {"run": secrets.token_hex(8), "pause": "5"}
    return await Guest.start(kit, accelerator.accelerator, directory, "shell", disks, options=options, devices=channel)


async def served_by_an_agent(guest: Guest) -> None:
    await guest.wait_for("up", PATIENCE)
    await guest.run("mount -t ext4 /dev/vda /mnt/a", PATIENCE)
    await guest.run(SERVE, PATIENCE)
    await guest.run("(while :; do date > /mnt/a/now; sync; echo x >> /run/written; done) &", PATIENCE)


async def test_an_instant_of_frozen_file_systems(kit: Kit, accelerator: Finding, short_directory: Path, tmp_path: Path) -> None:
    served = with_agent(kit, tmp_path)
    async with AsyncExitStack() as stack:
        started = [await booted(served, accelerator, short_directory / name, tmp_path / f"{name}.raw") for name in NAMES]
        guests = [await stack.enter_async_context(guest) for guest in started]
        await asyncio.gather(*map(served_by_an_agent, guests))
        assembly = Assembly(NAMES, PATIENCE)
        sources = {}
        for number, (name, guest) in enumerate(zip(NAMES, guests, strict=True)):
            spec = QemuSource(qmp=str(guest.qmp), agent=f"{guest.directory}/qga")
            sources[name] = patient(spec, guest, machine=f"{number:032x}")
            stack.push_async_callback(sources[name].close)
            await sources[name].relieve()
            await sources[name].recover(None)
        freezes = (source.freeze(secrets.token_hex(16), None, Wish(True, assembly.gate(name))) for name, source in sources.items())
        for snapshot in await asyncio.gather(*freezes):
            assert (snapshot.consistency, snapshot.downgrade) == ("app", "")
            assert snapshot.quiesced > snapshot.paused > 0
            assert await journal_is_clean(snapshot)
        for guest in guests:
            assert not await frozen_now(guest)
            await goes_on(guest)
