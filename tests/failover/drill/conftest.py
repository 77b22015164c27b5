"""A site of its own for each test, of which nothing runs on."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.failover.drill.site import Site, opened
from tests.live.conftest import kit as kit
from understudy.demo.kit import Kit


@pytest.fixture
def root() -> Iterator[Path]:
    """Under a short path: a socket's may have 107 bytes."""
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def site(kit: Kit, root: Path) -> AsyncIterator[Site]:
    async with opened(root, kit.kernel.parent) as site:
        yield site
        for run in (await site.replicas.find()).known:
            await site.replicas.remove(run)
