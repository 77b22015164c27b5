import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.house import House


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose path leaves room for a socket's name."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def house(short: Path) -> Iterator[House]:
    """A vault, and a daemon that is not started yet."""
    house = House(short)
    house.create()
    yield house
    if house.process is not None:
        house.process.kill()
        house.process.wait()


@pytest.fixture
def qmp(short: Path) -> Iterator[str]:
    """Where the monitor of a QEMU without a guest listens."""
    socket = short / "qmp"
    command = ["qemu-system-x86_64", "-machine", "none", "-display", "none", "-nodefaults", "-qmp", f"unix:{socket},server=on,wait=off"]
    with subprocess.Popen(command) as qemu:
        while not socket.exists():
            time.sleep(0.01)
        yield str(socket)
        qemu.kill()
