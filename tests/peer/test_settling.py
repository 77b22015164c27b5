"""What failed is charged for until it is known not to be there, and no longer."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import Action, Call, Fault, FaultyStore
from tests.peer.pair import Served, served
from tests.waiting import until
from understudy.engine import PeerLimits
from understudy.errors import StoreUnavailable
from understudy.peer.adopting import Adopting, adopt
from understudy.peer.books import Books
from understudy.peer.ledger import OVERHEAD, Doubt, Ledger
from understudy.peer.registry import Registry
from understudy.peer.settling import Settling
from understudy.store.file import FileStore
from understudy.store.protocol import Capabilities, Creation

LIMITS = PeerLimits(prefix="b", quota=20_000)


@pytest.fixture
async def faulty(tmp_path: Path) -> AsyncIterator[FaultyStore]:
    store = FaultyStore(FileStore(tmp_path / "vault", make=True))
    yield store
    await store.close()


def used(site: Served) -> list[int]:
    return [peer.used for peer in site.registry().peers()]


async def test_a_peer_whose_creates_failed_goes_on_as_soon_as_the_store_does(tmp_path: Path, faulty: FaultyStore) -> None:
    async with served(tmp_path, faulty) as site:
        store = await site.joined("b", LIMITS)
        faulty.plan(Fault(Action.FAIL_BEFORE, "create", times=12))
        for number in range(12):
            with pytest.raises(StoreUnavailable, match="the store that it serves"):
                await store.create(f"packs/{number}", [bytes(5000)])
        assert await store.create("again", [bytes(15_000)]) is Creation.CREATED
        assert used(site) == [15_000 + OVERHEAD]


async def test_while_the_store_cannot_be_seen_that_is_what_the_peer_hears(tmp_path: Path, faulty: FaultyStore) -> None:
    async with served(tmp_path, faulty) as site:
        store = await site.joined("b", LIMITS)
        faulty.plan(Fault(Action.FAIL_AFTER, "create"), Fault(Action.FAIL_BEFORE, times=-1))
        for number in range(4):
            with pytest.raises(StoreUnavailable, match="the store that it serves"):
                await store.create(f"packs/{number}", [bytes(9000)])
        faulty.plan()
        # One of them is there; more than is left beside it is too much.
        with pytest.raises(StoreUnavailable, match=r"quota is used up: 9\.8 KiB of 20 KiB are stored"):
            await store.create("more", [bytes(9500)])
        assert await store.create("fits", [bytes(7000)]) is Creation.CREATED


async def test_what_a_killed_site_had_under_way_is_settled_when_it_begins_anew(tmp_path: Path, faulty: FaultyStore) -> None:
    async with served(tmp_path, faulty) as site:
        await site.joined("b", LIMITS)
        peer = site.registry().peers()[0].id
    registry = Registry(tmp_path / "there" / "peers")
    ledger = Ledger(registry.database)
    for name in ("lost", "stored"):
        ledger.charge(peer, name, 8000)
    await faulty.create("b/stored", [bytes(8000)])
    async with served(tmp_path, faulty):
        await until(lambda: [(row.name, row.stored) for row in ledger.page(peer, "", 9)] == [("b/stored", True)])
        assert registry.peers()[0].used == 8000 + OVERHEAD
    registry.close()


class Late(FaultyStore):
    @property
    def capabilities(self) -> Capabilities:
        return replace(self.inner.capabilities, late=True)


async def test_where_it_may_take_effect_later_it_is_waited_for(tmp_path: Path) -> None:
    store, books = Late(FileStore(tmp_path / "vault", make=True)), Books(tmp_path / "peers")
    await books.open()
    registry = Registry(tmp_path / "peers")
    peer = registry.invite("b", LIMITS).peer.id
    for name in ("lands", "never"):
        charged = await books.charge(peer, name, 1000)
        books.failed(charged)
    await Settling(store, books, late=3600.0).settled()
    assert registry.peers()[0].used == 2 * (1000 + OVERHEAD)
    await store.create("b/lands", [bytes(1000)])
    await Settling(store, books, late=0.0).settled()
    assert registry.peers()[0].used == 1000 + OVERHEAD
    assert await books.doubts(None, 9) == []
    registry.close()
    await books.close()
    await store.close()


@pytest.mark.parametrize("hours", [2, -2])
async def test_a_wall_clock_that_is_put_forward_or_back_ends_no_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    store, books = Late(FileStore(tmp_path / "vault", make=True)), Books(tmp_path / "peers")
    await books.open()
    registry = Registry(tmp_path / "peers")
    peer = registry.invite("b", LIMITS).peer.id
    monotonic, wall = time.monotonic, time.time_ns
    settling = Settling(store, books, late=3600.0)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 4000)
    settling.failed(await books.charge(peer, "a", 1000))
    monkeypatch.setattr(time, "time_ns", lambda: wall() + int(hours * 3600e9))
    await settling.settled(peer)
    assert len(await books.doubts(peer, 9)) == 1
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 8000)
    await settling.settled(peer)
    assert await books.doubts(peer, 9) == []
    # One from before this process counts from its beginning.
    await books.charge(peer, "a", 1000)
    after = Settling(store, books, late=3600.0)
    await after.settled(peer)
    assert len(await books.doubts(peer, 9)) == 1
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 12000)
    await after.settled(peer)
    assert await books.doubts(peer, 9) == []
    registry.close()
    await books.close()
    await store.close()


async def test_nobody_settles_what_is_under_way(tmp_path: Path) -> None:
    store, books = FileStore(tmp_path / "vault", make=True), Books(tmp_path / "peers")
    await books.open()
    registry = Registry(tmp_path / "peers")
    peer = registry.invite("b", LIMITS).peer.id
    settling = Settling(store, books)
    with settling.under_way(peer, "b/a"):
        await books.charge(peer, "a", 1000)
        await settling.settled(peer)
        assert [Doubt(doubt.peer, doubt.name, 0) for doubt in await books.doubts(peer, 9)] == [Doubt(peer, "b/a", 0)]
    await settling.settled(peer)
    assert await books.doubts(peer, 9) == []
    registry.close()
    await books.close()
    await store.close()


async def test_one_that_joins_is_charged_however_often_the_store_fails_or_the_site_is_killed(tmp_path: Path, faulty: FaultyStore) -> None:
    await faulty.create("b/before", [bytes(15_000)])
    directory = tmp_path / "there" / "peers"
    registry = Registry(directory)
    peer, secret = registry.invite("b", LIMITS)
    registry.register(peer.id, secret, "k")
    faulty.plan(Fault(Action.FAIL_BEFORE, "list", times=-1))
    async with served(tmp_path, faulty):
        await until(lambda: Call("list", "b/") in faulty.calls)
    assert [one.id for one in registry.not_adopted()] == [peer.id]
    books = Books(directory)
    await books.open()
    faulty.plan(Fault(Action.FAIL_BEFORE, "list", times=3))
    adopting = asyncio.create_task(Adopting(faulty, books, again=0.0).run())
    await until(lambda: not registry.not_adopted())
    assert registry.peers()[0].used == 15_000 + OVERHEAD
    adopting.cancel()
    await asyncio.wait([adopting])
    await books.close()
    # Whoever joined long ago, or before this was written down, is not looked at.
    faulty.plan()
    with registry.database.writing() as connection:
        connection.execute("ALTER TABLE peers DROP COLUMN adopted")
        connection.execute("PRAGMA user_version = 3")
    registry.close()
    registry = Registry(directory)
    assert registry.not_adopted() == ()
    registry.close()


async def test_one_that_joins_is_charged_for_what_its_prefix_holds(tmp_path: Path, faulty: FaultyStore) -> None:
    await faulty.create("b/before", [bytes(15_000)])
    await faulty.create("c/others", [bytes(15_000)])
    async with served(tmp_path, faulty) as site:
        store = await site.joined("b", LIMITS)
        await until(lambda: used(site) == [15_000 + OVERHEAD])
        with pytest.raises(StoreUnavailable, match="quota is used up"):
            await store.create("more", [bytes(5000)])


async def test_one_that_is_given_another_prefix_is_charged_for_what_that_holds(tmp_path: Path, faulty: FaultyStore) -> None:
    for name in ("b/before", "new/before", "newer/before"):
        await faulty.create(name, [bytes(15_000)])
    registry, books = Registry(tmp_path / "peers"), Books(tmp_path / "peers")
    await books.open()
    peer, secret = registry.invite("b", LIMITS)
    registry.register(peer.id, secret, "k")
    adopting = asyncio.create_task(Adopting(faulty, books, again=0.0).run())
    await until(lambda: not registry.not_adopted())
    registry.limit("b", prefix="new", quota=0)
    await until(lambda: not registry.not_adopted())
    assert registry.peers()[0].used == 2 * (15_000 + OVERHEAD)
    registry.limit("b", prefix="new", quota=20_000)
    assert registry.not_adopted() == ()
    adopting.cancel()
    await asyncio.wait([adopting])
    # It is changed while what the one before holds is being listed.
    registry.limit("b", prefix="newer")
    (late,) = registry.not_adopted()
    registry.limit("b", prefix="b")
    await adopt(faulty, books, late)
    assert [one.limits.prefix for one in registry.not_adopted()] == ["b"]
    registry.close()
    await books.close()
