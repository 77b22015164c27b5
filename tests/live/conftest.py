"""Real guests for tests: QEMU with a Debian kernel, two disks, a workload and a console to talk to. `make test` builds what they need.

A test asks for ``start_guest`` and ``two_disks``:

    guest = await start_guest("write", two_disks)      # records are written and acknowledged: guest.acknowledged, guest.newest
    await guest.wait_for_record(100)
    await guest.kill()                                 # SIGKILL
    verdict = await check(two_disks)                   # another guest checks file systems and records

or for a guest to command: ``guest = await start_guest("shell", disks); await guest.run("dd if=... of=/dev/vda")``.
Every guest that a test started is killed at its end; nothing else is touched.
"""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from understudy.demo.accelerator import Finding, find_accelerator
from understudy.demo.console import Verdict
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.demo.kit import Kit, build_kit
from understudy.demo.machine import GuestDisk, Mode

DISK_SIZE = 256 << 20


class StartGuest(Protocol):
    def __call__(self, mode: Mode, disks: Sequence[GuestDisk], *, pause: int = 5, devices: Sequence[str] = ()) -> Awaitable[Guest]: ...


class Check(Protocol):
    def __call__(self, disks: Sequence[GuestDisk]) -> Awaitable[Verdict]: ...


@pytest.fixture(scope="session")
def kit() -> Kit:
    return build_kit()


@pytest.fixture(scope="session")
def accelerator(kit: Kit) -> Finding:
    return find_accelerator(kit)


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name, which pytest's own may not."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def run_number() -> str:
    """Tells this test's records from any others that a disk may hold."""
    return secrets.token_hex(8)


@pytest.fixture
def two_disks(tmp_path: Path) -> list[GuestDisk]:
    """A raw and a qcow2 disk, each with an ext4 file system."""
    return [make_disk(tmp_path / "vda.raw", "raw", DISK_SIZE), make_disk(tmp_path / "vdb.qcow2", "qcow2", DISK_SIZE)]


@pytest.fixture
async def start_guest(kit: Kit, accelerator: Finding, short_directory: Path, run_number: str) -> AsyncIterator[StartGuest]:
    async with AsyncExitStack() as guests:
        count = 0

        async def start(mode: Mode, disks: Sequence[GuestDisk], *, pause: int = 5, devices: Sequence[str] = ()) -> Guest:
            nonlocal count
            count += 1
            directory = short_directory / str(count)
            directory.mkdir()
            options = {"run": run_number, "pause": str(pause)}
            guest = await Guest.start(kit, accelerator.accelerator, directory, mode, disks, options=options, devices=devices)
            await guests.enter_async_context(guest)
            await guest.wait_for("up")
            return guest

        yield start


@pytest.fixture
def check(start_guest: StartGuest) -> Check:
    """Boot a guest on the disks that checks them (their file systems are written to: journals are replayed)."""

    async def boot(disks: Sequence[GuestDisk]) -> Verdict:
        guest = await start_guest("check", disks)
        verdict = await guest.verdict()
        await guest.ended()
        return verdict

    return boot
