"""Two attempts of one peer to store one object, at once: whatever each hears, the peer is charged for what is there, at every moment."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults import FaultyStore
from understudy.engine import PeerLimits
from understudy.errors import StoreRefused, StoreUnavailable
from understudy.model import BytesLike
from understudy.peer.books import Books
from understudy.peer.ledger import OVERHEAD
from understudy.peer.registry import Registry
from understudy.peer.storing import Storing
from understudy.store.file import FileStore
from understudy.store.protocol import Creation

CHARGE = 5000 + OVERHEAD


@dataclass
class Crossing(FaultyStore):
    """The first attempt reaches the store after the second one, whose answer is lost later still."""

    refuses: bool = False
    came: asyncio.Event = field(default_factory=asyncio.Event)
    there: asyncio.Event = field(default_factory=asyncio.Event)
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        if not self.came.is_set():
            self.came.set()
            await self.there.wait()
            if self.refuses:
                raise StoreRefused("not this one")
            return await self.inner.create(name, buffers)
        await self.inner.create(name, buffers)
        self.there.set()
        await self.lost.wait()
        raise StoreUnavailable("the answer was lost")


@pytest.mark.parametrize("refuses", [False, True])
async def test_what_one_of_two_attempts_stored_is_charged_for(tmp_path: Path, refuses: bool) -> None:
    store, books = Crossing(FileStore(tmp_path / "vault", make=True), refuses=refuses), Books(tmp_path / "peers")
    await books.open()
    registry = Registry(tmp_path / "peers")
    peer = registry.invite("b", PeerLimits()).peer
    storing = Storing(store, books)
    first = asyncio.create_task(storing.create(peer, "a", bytes(5000)))
    await store.came.wait()
    second = asyncio.create_task(storing.create(peer, "a", bytes(5000)))
    if refuses:
        with pytest.raises(StoreRefused):
            await first
    else:
        assert await first is Creation.EXISTS
    # What was entered is written: a process that is killed now leaves this.
    await books.doubts(peer.id, 9)
    assert registry.peers()[0].used == CHARGE
    store.lost.set()
    with pytest.raises(StoreUnavailable):
        await second
    await books.doubts(peer.id, 9)
    assert registry.peers()[0].used == CHARGE
    await storing.close()
    registry.close()
    await books.close()
    await store.close()
