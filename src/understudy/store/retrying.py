"""A store that is asked again when it did not answer: what only reads, and what may be said twice.

`create` is not repeated here. Only who creates can tell its own object, which an earlier try may have left, from somebody else's: the
append protocol, `create_patiently` and `store_pack` each do, with a patience of their own. Repeated beneath them, doubt would be hidden
from them, and every one of their tries be many.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from understudy.errors import StoreUnavailable
from understudy.model import BytesLike, Data
from understudy.store.protocol import Capabilities, Creation, ObjectInfo, ObjectStore
from understudy.store.waiting import Waiting

T = TypeVar("T")

SMALL = 1 << 20
"""Bytes of a range up to which an answer takes no time by itself."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """`attempts` tries in all, none of which begins later than `seconds` after the first. Between them a random wait from none at all to
    `first` seconds, doubled each time and at most `longest`: of many that failed at the same moment, few come back at the same."""

    attempts: int = 10
    seconds: float = 30.0
    first: float = 0.25
    longest: float = 5.0

    def most(self, failures: int) -> float:
        """The longest wait after so many failures, from 1 on."""
        return min(self.longest, self.first * float(2 ** (failures - 1)))


class RetryingStore:
    """`store`, with everything but `create` repeated through `StoreUnavailable`. What is permanent is raised at once.

    Where one call's whole patience was in vain, the others fail with their next failure, until something succeeds again: in an outage it
    is not every call, nor every try of a caller that tries again itself, that waits for so long.
    """

    def __init__(
        self,
        store: ObjectStore,
        backoff: Backoff | None = None,
        *,
        name: str = "the store",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`name`: the store's, for people who wait for it."""
        self._store = store
        self._backoff = backoff or Backoff()
        self._waiting = Waiting(name)
        self._clock = clock
        self._sleep = sleep
        self._given_up = False

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        try:
            creation = await self._store.create(name, buffers)
        except StoreUnavailable as error:
            self._waiting.failed(error.message, writing=True)
            raise
        self._answered(wrote=True)
        return creation

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        return await self._through(lambda: self._store.get(name, start, length), small=length is not None and length <= SMALL)

    async def head(self, name: str) -> ObjectInfo | None:
        return await self._through(lambda: self._store.head(name))

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        """Goes on behind what was told; each failure after some progress is a first one."""
        after, tries = start_after, _Tries(self)
        while True:
            self._waiting.begun()
            infos = self._store.list(prefix, after)
            try:
                async for info in infos:
                    after = info.name
                    self._answered()
                    tries = tries if not tries.failures else _Tries(self)
                    yield info
            except StoreUnavailable as error:
                await tries.failed(error)
            except Exception:
                self._answered()
                raise
            else:
                self._answered()
                return
            finally:
                if isinstance(infos, AsyncGenerator):
                    await infos.aclose()

    async def delete(self, name: str) -> bool:
        """True also if it is gone by an earlier try, whose answer was lost, for all that can be told."""
        doubtful = False

        async def once() -> bool:
            nonlocal doubtful
            try:
                return await self._store.delete(name) or doubtful
            except StoreUnavailable:
                doubtful = True
                raise

        return await self._through(once)

    async def close(self) -> None:
        self._waiting.ended()
        await self._store.close()

    async def _through(self, once: Callable[[], Awaitable[T]], *, small: bool = True) -> T:
        tries = _Tries(self)
        if small:
            self._waiting.begun()
        while True:
            try:
                result = await once()
            except StoreUnavailable as error:
                await tries.failed(error)
            except Exception:
                self._answered()
                raise
            else:
                self._answered()
                return result

    def _answered(self, *, wrote: bool = False) -> None:
        """Whatever it said."""
        self._given_up = False
        self._waiting.answered(wrote=wrote)


class _Tries:
    """One call's patience."""

    def __init__(self, store: RetryingStore) -> None:
        self.failures = 0
        self._store = store
        self._began = store._clock()

    async def failed(self, error: StoreUnavailable) -> None:
        """Returns when it is time for another try; raises `error` if there is none."""
        self.failures += 1
        self._store._waiting.failed(error.message)
        backoff = self._store._backoff
        wait = random.uniform(0, backoff.most(self.failures))
        late = self._store._clock() + wait - self._began > backoff.seconds
        if self._store._given_up or self.failures >= backoff.attempts or late:
            self._store._given_up = True
            raise error
        await self._store._sleep(wait)
