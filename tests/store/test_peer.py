"""A peer is a store like any other, also where what is between fails. Its site is a process of its own, which serves all tests here."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.faults import FaultyStore
from tests.peer.pair import Served, SiteProcess
from tests.store.conformance import Conformance
from understudy.engine import PeerLimits
from understudy.peer.registry import Registry
from understudy.store.protocol import ObjectStore


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("site")
    process = SiteProcess(home / "there", home / "vault")
    served = Served(home / "there", home, process.start(), AsyncExitStack())

    async def join() -> None:
        async with served.stack:
            await served.joined(limits=PeerLimits(maintenance=True))

    asyncio.run(join())
    yield served
    process.stop()


@pytest.fixture
async def peer(site: Served, request: pytest.FixtureRequest) -> AsyncIterator[ObjectStore]:
    """Whose names are all below one that no other test has."""
    registry = Registry(site.directory)
    registry.limit("peer", prefix=f"below/{abs(hash(request.node.nodeid)):x}")
    registry.close()
    store = site.opened("peer")
    yield store
    await store.close()


class TestPeerStore(Conformance):
    @pytest.fixture
    def store(self, peer: ObjectStore) -> ObjectStore:
        return peer


class TestFaultyPeerStore(Conformance):
    @pytest.fixture
    def store(self, peer: ObjectStore) -> ObjectStore:
        return FaultyStore(peer)
