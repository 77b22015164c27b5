"""How fast a vault's store takes objects and gives them: below a prefix that is no part of any vault."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from understudy.engine.capacity import Storing, latency_of
from understudy.errors import StoreRefused, UnderstudyError
from understudy.finish import finish, first_failure
from understudy.store.protocol import ObjectStore

PLACE = ".probe/"
"""Where a store's own probes are, the next of which removes what is left of old ones, too."""
SMALL = 4096
LARGE = 4 << 20
MOST_SMALL = 50
MOST_BYTES = 256 << 20
"""Bytes of objects that are there at once, at most."""


async def storing(store: ObjectStore, url: str, seconds: float, *, leave: bool) -> Storing:
    """What is stored is deleted again, also when this is cancelled; `leave`: that it may stay where deleting is not allowed."""
    async with _bench(store) as bench:
        create = latency_of(await _one_by_one(seconds / 6, MOST_SMALL if leave or await bench.deletes() else 1, bench.create_small))
        turns = iter(range(1 << 62))
        small = list(bench.there)

        async def get() -> None:
            await store.get(small[next(turns) % len(small)])

        fetch = latency_of(await _one_by_one(seconds / 6, MOST_SMALL, get))
        put_rate = get_rate = None
        at_once = max(store.capabilities.parallel, 1)
        if leave or await bench.deletes():
            put_rate = await _rate(seconds / 3, at_once, MOST_BYTES // LARGE, bench.create_large)
            large = [name for name in bench.there if name not in small]

            async def get_large() -> None:
                await store.get(large[next(turns) % len(large)])

            get_rate = await _rate(seconds / 3, at_once, 1 << 30, get_large)
    return Storing(
        url=url,
        create=create,
        get=fetch,
        at_once=at_once,
        put_rate=put_rate,
        get_rate=get_rate,
        left=tuple(bench.there),
        left_bytes=sum(bench.there.values()),
    )


class _Bench:
    """`there`: by name, the bytes of the objects that are, or may be, stored."""

    def __init__(self, store: ObjectStore) -> None:
        self.there: dict[str, int] = {}
        self._store = store
        self._place = f"{PLACE}{int(time.time()):012x}-{secrets.token_hex(8)}"
        self._large = os.urandom(LARGE)
        self._may: bool | None = None

    async def create_small(self) -> None:
        await self._create(self._large[:SMALL])

    async def create_large(self) -> None:
        await self._create(self._large)

    async def deletes(self) -> bool:
        """Whether these credentials may: tried with the newest, or one that is made for that."""
        if self._may is None:
            if not self.there:
                await self.create_small()
            name = next(iter(self.there))
            try:
                await self._store.delete(name)
            except StoreRefused:
                self._may = False
            else:
                self._may = True
                del self.there[name]
                await self.create_small()
        return self._may

    async def clean(self) -> None:
        """What cannot be deleted now is still in `there` afterwards."""
        names = list(self.there)
        outcomes = await asyncio.gather(*(self._store.delete(name) for name in names), return_exceptions=True)
        for name, outcome in zip(names, outcomes, strict=True):
            if not isinstance(outcome, BaseException):
                del self.there[name]
            elif not isinstance(outcome, UnderstudyError):
                raise outcome

    async def _create(self, content: bytes) -> None:
        name = f"{self._place}-{len(self.there):04x}-{secrets.token_hex(4)}"
        # Before it is stored: cancelled in the middle, it will be.
        self.there[name] = len(content)
        await self._store.create(name, [content])


@asynccontextmanager
async def _bench(store: ObjectStore) -> AsyncIterator[_Bench]:
    bench = _Bench(store)
    try:
        yield bench
    finally:
        await finish(bench.clean())


async def _one_by_one(seconds: float, most: int, work: Callable[[], Awaitable[None]]) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or (len(taken) < most and time.perf_counter() < end):
        began = time.perf_counter()
        await work()
        taken.append(time.perf_counter() - began)
    return taken


async def _rate(seconds: float, at_once: int, most: int, work: Callable[[], Awaitable[None]]) -> float:
    """Bytes a second, of so many at once; each once at least."""
    began, done = time.perf_counter(), 0

    async def again() -> None:
        nonlocal done
        while True:
            done += 1
            await work()
            if done >= most or time.perf_counter() >= began + seconds:
                return

    try:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(min(at_once, most)):
                lanes.create_task(again())
    except BaseExceptionGroup as group:
        raise first_failure(group) from None
    return done * LARGE / (time.perf_counter() - began)
