"""What a peer is charged for is compared with the store in little memory, whatever else is there."""

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

from tests.faults import FaultyStore
from understudy.engine import PeerLimits
from understudy.peer.books import Books
from understudy.peer.ledger import Ledger
from understudy.peer.recount import recount
from understudy.peer.registry import Registry
from understudy.store.file import FileStore
from understudy.store.protocol import ObjectInfo

OTHERS = 20_000


class Crowded(FaultyStore):
    """Between the peer's first object and its last one are very many of others."""

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[ObjectInfo]:
        yield ObjectInfo("packs/a", 0)
        for number in range(OTHERS):
            yield ObjectInfo(f"packs/b{number:060}", 0)
        yield ObjectInfo("packs/z", 0)


async def test_names_of_others_are_not_held(tmp_path: Path) -> None:
    store, books = Crowded(FileStore(tmp_path / "vault", make=True)), Books(tmp_path / "peers")
    await books.open()
    registry = Registry(tmp_path / "peers")
    peer, ledger = registry.invite("b", PeerLimits()).peer, Ledger(registry.database)
    for name in ("packs/a", "packs/gone", "packs/z"):
        ledger.stored(ledger.charge(peer.id, name, 1000))
    tracemalloc.start()
    try:
        await recount(store, books, peer)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 30 * OTHERS
    assert [row.name for row in ledger.page(peer.id, "", 9)] == ["packs/a", "packs/z"]
    registry.close()
    await books.close()
    await store.close()


async def test_what_is_gone_from_below_a_former_prefix_counts_no_more(tmp_path: Path) -> None:
    store, books = FileStore(tmp_path / "vault", make=True), Books(tmp_path / "peers")
    await books.open()
    registry = Registry(tmp_path / "peers")
    peer, ledger = registry.invite("b", PeerLimits(prefix="b")).peer, Ledger(registry.database)
    for prefix in ("b", "z"):
        registry.limit("b", prefix=prefix)
        for name in ("gone", "packs/kept"):
            charged = ledger.charge(peer.id, name, 1000)
            if name != "gone":
                await store.create(charged.name, [bytes(1000)])
            ledger.stored(charged)
    await recount(store, books, registry.peers()[0])
    assert [row.name for row in ledger.page(peer.id, "", 9)] == ["b/packs/kept", "z/packs/kept"]
    registry.close()
    await books.close()
    await store.close()
