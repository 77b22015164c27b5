"""The guest comes first: what becomes of one that writes while the space for what it overwrites is taken away."""

import asyncio
import contextlib
import os
import secrets
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.installed import Host
from understudy.demo.disks import make_disk
from understudy.errors import StateFailed
from understudy.model import BLOCK_SIZE
from understudy.qemu.session import QmpSession
from understudy.source.qemu import QemuSource

SIZE = 32 << 20


def fill(directory: Path) -> None:
    with contextlib.suppress(OSError), (directory / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1 << 20))


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(2000):
        if await what():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not happen")


async def saved(control: QmpSession) -> bool:
    """Whether what the guest overwrites is being saved."""
    return any(job["type"] == "backup" for job in await control.execute("query-jobs"))


async def free(control: QmpSession) -> bool:
    return not await control.execute("query-jobs") and (await control.execute("query-status"))["running"]


if os.geteuid() == 0:  # only root can make a file system

    async def test_a_guest_goes_on_when_its_scratch_directory_is_full(start_guest, short_directory, tmp_path):
        disk = make_disk(tmp_path / "a.qcow2", "qcow2", SIZE, file_system=False)
        state = short_directory / "state"
        state.mkdir()
        await asyncio.to_thread(subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", str(state)], check=True)
        try:
            guest = await start_guest("shell", [disk])
            await guest.run("churn /dev/vda 1 400")
            control = await QmpSession.connect(str(guest.control))
            source = QemuSource("0" * 32, str(guest.qmp), state)
            await source.recover(None)
            await guest.run("churn /dev/vda 2 0 &")
            snapshot = await source.freeze(secrets.token_hex(16), None)
            # What the freeze may need had been taken beforehand.
            await asyncio.to_thread(fill, state)
            await guest.run("dd if=/dev/zero of=/dev/vda bs=1M count=32 oflag=direct 2>/dev/null")
            await snapshot.disks[0].read_into(np.array([[0, 1]], np.int64), np.zeros(BLOCK_SIZE, np.uint8))
            await source.release(False)
            assert (await control.execute("query-status"))["status"] == "running"
            # There is room for nothing now, and the guest goes on; when there is, so does replication.
            await asyncio.to_thread(fill, state)
            with pytest.raises(StateFailed, match="MiB free"):
                await source.freeze(secrets.token_hex(16), None)
            (state / "filler").unlink()
            await source.freeze(secrets.token_hex(16), None)
            await guest.run("dd if=/dev/zero of=/dev/vda bs=1M count=8 oflag=direct")
            await source.release(False)
            await source.remove()
            await source.close()
            await control.close()
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", str(state)], check=True)

    async def test_what_a_killed_run_left_is_ended_though_it_fills_the_state_directory(start_guest, short_directory, tmp_path):
        disk = make_disk(tmp_path / "a.qcow2", "qcow2", SIZE, file_system=False)
        host = Host(short_directory, tmp_path / "vault", tmp_path / "key")
        state = short_directory / "state"
        state.mkdir()
        await asyncio.to_thread(subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", str(state)], check=True)
        try:
            guest = await start_guest("shell", [disk])
            control = await QmpSession.connect(str(guest.control))
            await asyncio.to_thread(host.run_installed, "vault", "create")
            await asyncio.to_thread(host.run_installed, "protect", "web", "--qmp", str(guest.qmp))
            await guest.run("churn /dev/vda 1 400")
            process = host.start("replicate", "web")
            await until(lambda: saved(control))
            process.kill()
            process.communicate()
            await asyncio.to_thread(fill, state)
            await guest.run("churn /dev/vda 2 0 &")
            # Its end was its jobs'.
            await until(lambda: free(control))
            with host.start("replicate", "web") as process:
                process.communicate()
            assert await control.execute("query-jobs") == []
            assert (await control.execute("query-status"))["status"] == "running"
            (state / "filler").unlink()
            await asyncio.to_thread(host.run_installed, "replicate", "web")
            await control.close()
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", str(state)], check=True)
