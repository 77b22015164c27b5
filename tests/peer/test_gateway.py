"""A site that serves what is not its own."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.peer.pair import served
from understudy.engine import PeerLimits
from understudy.errors import StoreRefused, StoreUnavailable
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


async def test_a_peer_is_not_told_where_the_served_store_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    there = FaultyStore(FileStore(tmp_path / "vault", make=True))
    async with served(tmp_path, there) as site:
        store = await site.joined(limits=PeerLimits(prefix="gw", maintenance=True))
        for action, kind in ((Action.FAIL_BEFORE, StoreUnavailable), (Action.REFUSE, StoreRefused)):
            there.plan(Fault(action, times=-1))
            for asked in (store.create("a", [b"x"]), store.get("a"), store.head("a"), store.delete("a"), anext(aiter(store.list("")))):
                with pytest.raises(kind, match="the store that it serves") as caught:
                    await asked
                assert "gw" not in caught.value.message + caught.value.hint
    assert {found for found in re.findall(r"refused: (\w+) gw/", caplog.text)} == {"create", "get", "head", "delete", "list"}


async def test_a_peer_is_not_told_where_the_site_keeps_its_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with served(tmp_path) as site:
        store = await site.joined()
        with site.registry().database.writing() as connection:
            connection.execute("ALTER TABLE peers RENAME TO damaged")
        with pytest.raises(StoreUnavailable, match="cannot read or write what it knows of its peers") as caught:
            await store.head("a")
        assert str(tmp_path) not in caught.value.message + caught.value.hint
        assert f"{site.directory}/registry.sqlite: no such table: peers" in caplog.text
        with site.registry().database.writing() as connection:
            connection.execute("ALTER TABLE damaged RENAME TO peers")
        assert await store.head("a") is None
