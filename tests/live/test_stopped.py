"""understudy asleep in the middle of a cycle: whatever the guest overwrites meanwhile, its writes go on."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.live.test_scratch import until
from tests.source.machine import METHODS
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.errors import SourceUnavailable
from understudy.qemu.session import QmpSession
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import BREAK_SNAPSHOT, FLEECING, PUSH, Wanted

MACHINE = "cd" * 16
RESERVE = 32 << 20
MIB = 96
SPACE = {FLEECING: 80, BREAK_SNAPSHOT: 80, PUSH: 120}
"""MiB of the file system that scratch files are in: less than the guest overwrites, but for a copy that is made at once."""

PROCESS = f"""
import asyncio, sys
from pathlib import Path
from understudy.source.qemu import QemuSource
from understudy.source.qemu_method import Wanted
async def main(qmp, directory, method):
    source = QemuSource("{MACHINE}", qmp, Path(directory), wanted=Wanted(method, True), scratch_reserve={RESERVE})
    await source.recover(None)
    await source.freeze("00" * 16, None)
    print("frozen", flush=True)
    await asyncio.Event().wait()
asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def asleep(qmp: str, directory: str, method: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that was stopped in the middle of a cycle."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROCESS, qmp, directory, method, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"frozen\n"
        os.kill(process.pid, signal.SIGSTOP)
        yield process
    finally:
        process.kill()
        await process.communicate()


async def overwrite(guest: Guest) -> None:
    """At some 25 MiB a second."""
    for first in range(0, MIB, 24):
        one = "dd if=/dev/zero of=/dev/vda bs=1M count=1 seek=$n oflag=direct 2>/dev/null; usleep 30000"
        await guest.run(f"for n in $(seq {first} {first + 23}); do {one}; done")


async def outlives(guest: Guest, state: Path, method: str, rewrites: int) -> None:
    """The guest overwrites all of its disk so often while a cycle sleeps."""
    control = await QmpSession.connect(str(guest.control))
    async with asleep(str(guest.qmp), str(state), method):
        for _ in range(rewrites):
            await overwrite(guest)
            assert (await control.execute("query-status"))["status"] == "running"
        # Copying is over: given up, or done.
        assert all(job["status"] == "concluded" for job in await control.execute("query-jobs"))
    source = QemuSource(MACHINE, str(guest.qmp), state, wanted=Wanted(method, allow_pause=True), scratch_reserve=RESERVE)
    await recovered(source)
    snapshot = await source.freeze("11" * 16, None)
    await snapshot.disks[0].allocated()
    await source.release(True)
    await source.remove()
    assert await control.execute("query-jobs") == []
    assert (await control.execute("query-status"))["status"] == "running"
    await source.close()
    await control.close()


async def recovered(source: QemuSource) -> None:
    """QEMU may not have noticed yet that its one client is gone."""

    async def done() -> bool:
        try:
            await source.recover(None)
        except SourceUnavailable:
            return False
        return True

    await until(done)


if os.geteuid() == 0:  # only root can make a file system

    async def test_a_guest_outlives_understudys_sleep(start_guest, short_directory):
        disk = make_disk(short_directory / "a.raw", "raw", MIB << 20, file_system=False)
        guest = await start_guest("shell", [disk])
        await guest.run("dd if=/dev/urandom of=/dev/vda bs=1M count=96 oflag=direct 2>/dev/null")
        for method in METHODS:
            state = short_directory / method
            state.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={SPACE[method]}M", "tmpfs", str(state)]
            await asyncio.to_thread(subprocess.run, mount, check=True)
            try:
                await outlives(guest, state, method, 1)
            finally:
                await asyncio.to_thread(subprocess.run, ["umount", "-l", str(state)], check=True)
