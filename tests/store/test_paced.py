"""A paced store is a store, and asks before each object."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.store.conformance import Conformance
from understudy.store.file import FileStore
from understudy.store.paced import PacedStore
from understudy.store.protocol import ObjectStore


async def at_once(name: str, size: int) -> None:
    """No limit."""


class TestPacedStore(Conformance):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[ObjectStore]:
        store = PacedStore(FileStore(tmp_path / "store", make=True), at_once)
        yield store
        await store.close()


async def test_every_object_is_asked_for_with_its_size_before_it_is_sent(tmp_path: Path) -> None:
    asked: list[tuple[str, int, bool]] = []
    file = FileStore(tmp_path / "store", make=True)

    async def pace(name: str, size: int) -> None:
        asked.append((name, size, await file.head(name) is not None))

    store = PacedStore(file, pace)
    try:
        await store.create("a", [b"12", memoryview(b"345"), np.zeros(10, dtype=np.uint8)])
        assert await store.get("a") == b"12345" + bytes(10)
    finally:
        await store.close()
    assert asked == [("a", 15, False)]
