import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.source.machine import MIB, Disk, Machine, blockdev

StartMachine = Callable[..., Awaitable[Machine]]


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A path that leaves room for a socket's name."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def start_machine(short_directory: Path) -> AsyncIterator[StartMachine]:
    started: list[Machine] = []

    async def start(*disks: Disk, options: list[str] | None = None) -> Machine:
        machine = Machine(short_directory, list(disks), options or [])
        started.append(machine)
        await machine.start()
        return machine

    yield start
    for machine in started:
        await machine.kill()


@pytest.fixture
async def two_disks(start_machine: StartMachine, short_directory: Path) -> Machine:
    """A raw and a qcow2 disk with something in them."""
    machine = await start_machine(blockdev(short_directory, "vda", "raw", 8 * MIB), blockdev(short_directory, "vdb", "qcow2", 6 * MIB))
    await machine.write("vda", 0, MIB, 0x11)
    await machine.write("vda", 5 * MIB, 3 * MIB, 0x12)
    await machine.write("vdb", MIB, MIB, 0x21)
    return machine
