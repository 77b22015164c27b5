"""What lists holds up nobody else."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults import FaultyStore
from tests.peer.pair import served
from tests.peer.thief import Line, said
from understudy.errors import StoreUnavailable
from understudy.peer.listings import SHARE, Listings
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectInfo, ObjectStore


def here() -> bool:
    return False


async def test_one_peer_s_listings_leave_room_for_others() -> None:
    listings = Listings(total=2, share=1, patience=0.01)
    async with listings.of("a", here), listings.reading(here):
        with pytest.raises(StoreUnavailable, match="too much is being listed"):
            async with listings.of("a", here):
                pass
        async with listings.of("b", here), listings.reading(here), listings.of("c", here):
            with pytest.raises(StoreUnavailable):
                async with listings.reading(here):
                    pass
            with pytest.raises(ConnectionResetError):
                async with listings.of("d", lambda: True):
                    pass
    async with listings.of("a", here), listings.reading(here), listings.of("d", here), listings.reading(here):
        pass


class Slow(FaultyStore):
    """Lists what is below `held/` when it is let. `most`: listings of it that there were at once."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.let = asyncio.Event()
        self.now = self.most = 0

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        if prefix == "held/":
            self.now += 1
            self.most = max(self.most, self.now)
            await self.let.wait()
            self.now -= 1
        async for info in self.inner.list(prefix, start_after):
            yield info


async def test_a_peer_lists_so_much_at_once_and_no_more(tmp_path: Path) -> None:
    file = FileStore(tmp_path / "vault", make=True)
    slow = Slow(file)
    async with served(tmp_path, slow) as site:
        store = await site.joined("b")
        await store.create("held/a", [b"x"])
        lines = [await Line.open(site, "b") for _ in range(SHARE + 3)]
        for line in lines:
            await line.begin("GET", "/peer/1/list?prefix=held/&after=")
            # What comes behind it finds it where it waits.
            await said(site, "b", "GET", "/peer/1/about")
        slow.let.set()
        for line in lines:
            assert json.loads((await line.heard()).body) == {"items": [["held/a", 1]], "more": False}
            line.close()
        assert slow.most == SHARE
    await file.close()
