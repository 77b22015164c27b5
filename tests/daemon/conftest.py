import shutil
import tempfile
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
