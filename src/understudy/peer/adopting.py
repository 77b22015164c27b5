"""Charging those who join, or are given another prefix, for what is below it already: until it is done, whatever fails and whoever is
killed."""

import asyncio
import logging
from contextlib import suppress

from understudy.engine import Peer
from understudy.errors import UnderstudyError
from understudy.peer.books import Books
from understudy.store.protocol import ObjectInfo, ObjectStore

_LOG = logging.getLogger(__name__)
_PAGE = 1000
_AGAIN = 10.0


class Adopting:
    """Over the served store and its books, which say whose it was not done for. One peer after the other."""

    def __init__(self, store: ObjectStore, books: Books, again: float = _AGAIN) -> None:
        """`again`: seconds after which it is looked whether there is somebody: prefixes are changed by another process."""
        self._store = store
        self._books = books
        self._again = again
        self._wake = asyncio.Event()
        self._told: set[str] = set()

    def wake(self) -> None:
        """Somebody has joined."""
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            self._wake.clear()
            await self._all()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._again):
                    await self._wake.wait()

    async def _all(self) -> None:
        try:
            peers = await self._books.not_adopted()
        except UnderstudyError as error:
            self._tell("", "who has joined cannot be read, and is tried again: %s", error)
            return
        self._told.discard("")
        for peer in peers:
            await self._adopt(peer)

    async def _adopt(self, peer: Peer) -> None:
        try:
            await adopt(self._store, self._books, peer)
        except UnderstudyError as error:
            words = "what was below %s/ before the peer %s came there is not counted yet, which is tried again: %s"
            self._tell(peer.id, words, peer.limits.prefix, peer.name, error)
        except Exception:
            _LOG.exception("counting what was there before a peer came failed by a fault in understudy")
        else:
            self._told.discard(peer.id)

    def _tell(self, what: str, words: str, *values: object) -> None:
        if what not in self._told:
            _LOG.warning(words, *values)
        self._told.add(what)


async def adopt(store: ObjectStore, books: Books, peer: Peer) -> None:
    """What was below its prefix before it came, whoever stored it, counts as its own. Without a prefix of its own nothing is.
    Begun anew it does no harm."""
    page: list[ObjectInfo] = []
    if peer.limits.prefix:
        async for info in store.list(f"{peer.limits.prefix}/"):
            page.append(info)
            if len(page) == _PAGE:
                await books.adopt(peer.id, page)
                page = []
    await books.adopt(peer.id, page, whole=peer.limits.prefix)
