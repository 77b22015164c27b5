"""One bounded budget of memory for what peers send and fetch, of which no peer has more than its share."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from understudy.errors import StoreRefused, StoreUnavailable

PATIENCE = 20.0
"""Seconds for which a request waits for memory before its peer is told to come again."""


class _Waiting(NamedTuple):
    peer: str
    size: int
    granted: "asyncio.Future[None]"


class Memory:
    """`total` bytes, of which `share` for one peer. Who came first is served first, but for who waits for its own share."""

    def __init__(self, total: int, share: int, patience: float = PATIENCE) -> None:
        self.total = total
        self.share = share
        self._patience = patience
        self._taken: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    def taken(self, peer: str | None = None) -> int:
        return self._taken.total() if peer is None else self._taken[peer]

    async def take(self, peer: str, size: int) -> None:
        """When there is room. `StoreUnavailable` if there is none in time; `StoreRefused` for more than there could ever be."""
        if size > self.share:
            raise StoreRefused(
                f"{size} bytes at once are more than this site takes of one peer: {self.share}",
                hint="`memory` in [peers] there is for all; half of it is one peer's share",
            )
        waiting = _Waiting(peer, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._pump()
        try:
            async with asyncio.timeout(self._patience):
                await waiting.granted
        except BaseException as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._pump()
            elif not waiting.granted.cancelled():
                self.give_back(peer, size)
            if isinstance(error, TimeoutError):
                raise StoreUnavailable(
                    "this site is busy: the memory for what its peers send is in use",
                    hint="it is tried again; `memory` in [peers] there says how much it has",
                ) from None
            raise

    def give_back(self, peer: str, size: int) -> None:
        self._taken[peer] -= size
        if not self._taken[peer]:
            del self._taken[peer]
        self._pump()

    @asynccontextmanager
    async def held(self, peer: str, size: int) -> AsyncIterator[None]:
        await self.take(peer, size)
        try:
            yield
        finally:
            self.give_back(peer, size)

    def _pump(self) -> None:
        held_up: set[str] = set()
        for waiting in list(self._waiting):
            if waiting.peer in held_up or self._taken[waiting.peer] + waiting.size > self.share:
                held_up.add(waiting.peer)
                continue
            if self.taken() + waiting.size > self.total:
                break
            self._waiting.remove(waiting)
            if not waiting.granted.done():
                self._taken[waiting.peer] += waiting.size
                waiting.granted.set_result(None)
