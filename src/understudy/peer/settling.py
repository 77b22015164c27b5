"""What failed, and may have been stored all the same: looked at until it is known. Until then it is charged for."""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from understudy.errors import UnderstudyError
from understudy.peer.books import Books
from understudy.peer.ledger import Charged
from understudy.store.protocol import ObjectStore

_LOG = logging.getLogger(__name__)
LATE = 120.0
"""Seconds after which what had failed takes effect no more, in a store where it may."""
_AGAIN = 10.0
_MOST = 256


class Settling:
    """Over the served store and its books. What was in doubt when the process before this one died is settled, too."""

    def __init__(self, store: ObjectStore, books: Books, late: float = LATE) -> None:
        self._store = store
        self._books = books
        self._late = late
        # Not by the wall clock: one that is put forward or back proves nothing.
        self._began = time.monotonic()
        self._failed: OrderedDict[str, float] = OrderedDict()
        self._under_way: Counter[tuple[str, str]] = Counter()
        self._looks: dict[str | None, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    @contextmanager
    def under_way(self, peer: str, name: str) -> Iterator[None]:
        """Meanwhile nobody else says what became of it. `name`: in the served store."""
        key = (peer, name)
        self._under_way[key] += 1
        try:
            yield
        finally:
            self._under_way[key] -= 1
            if not self._under_way[key]:
                del self._under_way[key]

    def has_another(self, peer: str, name: str) -> bool:
        """Whether more than one attempt is under way."""
        return self._under_way[(peer, name)] > 1

    def failed(self, charged: Charged) -> None:
        """This attempt may have stored it, or may do so yet."""
        self._has_failed(charged.name)
        self.doubted(charged)

    def doubted(self, charged: Charged) -> None:
        """Another attempt may have."""
        self._books.failed(charged)
        self._wake.set()

    async def settled(self, peer: str | None = None) -> None:
        """All that can be known now of what one peer, or any, has in doubt, is in the books. What the store raises if it cannot be seen."""
        look = self._looks.get(peer)
        if look is None:
            look = self._looks[peer] = asyncio.create_task(self._settle(peer))
            look.add_done_callback(lambda task: self._looks.pop(peer, None))
            look.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(look)

    async def run(self) -> None:
        """For ever."""
        told = False
        while True:
            self._wake.clear()
            try:
                await self.settled()
                told = False
            except UnderstudyError as error:
                if not told:
                    _LOG.warning("what peers may have stored cannot be looked at, and is tried again: %s", error)
                told = True
            except Exception:
                _LOG.exception("looking what peers may have stored failed by a fault in understudy")
            # A busy site is not asked for each failure anew.
            await asyncio.sleep(_AGAIN)
            if not await self._waiting():
                await self._wake.wait()

    async def close(self) -> None:
        looks = list(self._looks.values())
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    async def _waiting(self) -> bool:
        try:
            return bool(await self._books.doubts(None, 1))
        except UnderstudyError:
            return True

    async def _settle(self, peer: str | None) -> None:
        for doubt in await self._books.doubts(peer, _MOST):
            if (doubt.peer, doubt.name) in self._under_way or not self._is_over(doubt.name):
                continue
            info = await self._store.head(doubt.name)
            # Whoever tries again meanwhile charges anew: then this look says nothing.
            if info is None:
                await self._books.missing(doubt)
            else:
                await self._books.found(doubt, info.size)

    def _has_failed(self, name: str) -> None:
        now = time.monotonic()
        self._failed[name] = now
        self._failed.move_to_end(name)
        # What is over is as if this process had never tried it.
        while now - next(iter(self._failed.values())) > self._late:
            self._failed.popitem(last=False)

    def _is_over(self, name: str) -> bool:
        # What another process had under way ended with it, and before this one began.
        since = self._failed.get(name, self._began)
        return not self._store.capabilities.late or time.monotonic() - since >= self._late
