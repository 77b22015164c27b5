"""How many listings there are at once: each reads a directory, perhaps a large one, and makes an answer of up to a mebibyte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from understudy.errors import StoreUnavailable

TOTAL = 8
SHARE = 2
"""Of one peer, from the first question to the last byte of the answer."""
PATIENCE = 15.0
"""Seconds for which a listing waits for each of its two turns before its peer is told to come again."""


class Listings:
    """`of` holds a peer's own place, also while it takes its time to read the answer; `reading` one of all, which does not wait for it."""

    def __init__(self, total: int = TOTAL, share: int = SHARE, patience: float = PATIENCE) -> None:
        self._all = asyncio.Semaphore(total)
        self._share = share
        self._patience = patience
        self._peers: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, peer: str, gone: Callable[[], bool]) -> AsyncIterator[None]:
        """`StoreUnavailable` if there is no place in time; `ConnectionResetError` if whoever it is for is `gone`."""
        mine = self._peers.setdefault(peer, asyncio.Semaphore(self._share))
        async with self._turn(mine, gone):
            yield

    @asynccontextmanager
    async def reading(self, gone: Callable[[], bool]) -> AsyncIterator[None]:
        """As `of`."""
        async with self._turn(self._all, gone):
            yield

    @asynccontextmanager
    async def _turn(self, places: asyncio.Semaphore, gone: Callable[[], bool]) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await places.acquire()
        except TimeoutError:
            raise StoreUnavailable("this site is busy: too much is being listed", hint="it is tried again") from None
        try:
            if gone():
                raise ConnectionResetError
            yield
        finally:
            places.release()
