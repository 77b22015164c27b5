import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.house import House


@pytest.fixture
def house() -> Iterator[House]:
    """A vault, and a daemon that is not started yet."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    house = House(directory)
    house.create()
    yield house
    if house.process is not None:
        house.process.kill()
        house.process.wait()
    shutil.rmtree(directory)
