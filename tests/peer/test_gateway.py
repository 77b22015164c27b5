"""A site that serves what is not its own."""

from dataclasses import replace
from pathlib import Path

from tests.faults import FaultyStore
from tests.peer.pair import served
from understudy.store.file import FileStore
from understudy.store.protocol import Capabilities


class Bucket(FaultyStore):
    @property
    def capabilities(self) -> Capabilities:
        return replace(self.inner.capabilities, billed=True)


async def test_its_peers_spare_it_requests_that_it_pays_for(tmp_path: Path) -> None:
    for kind in (FaultyStore, Bucket):
        (tmp_path / kind.__name__).mkdir()
        async with served(tmp_path / kind.__name__, kind(FileStore(tmp_path / "vault", make=True))) as site:
            store = await site.joined()
            assert await store.head("a") is None
            assert store.capabilities.billed is (kind is Bucket)
            await store.close()
