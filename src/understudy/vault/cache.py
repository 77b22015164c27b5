"""Values that several readers want at once: loaded once, kept while they fit, the least recently used forgotten first."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

V = TypeVar("V")


class Cache(Generic[V]):
    """Keyed by id. `cost` of all values together stays at or below `limit`, except that the newest one always stays."""

    def __init__(self, limit: int, cost: Callable[[V], int]) -> None:
        self._limit = limit
        self._cost = cost
        self._total = 0
        self._values: OrderedDict[bytes, V] = OrderedDict()
        self._loading: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def get(self, key: bytes, load: Callable[[], Awaitable[V]]) -> V:
        """The value of `key`; a failed load is raised to this caller and tried anew by the next."""
        lock = self._loading.setdefault(key, asyncio.Lock())
        async with lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            value = await load()
            self._values[key] = value
            self._total += self._cost(value)
            while self._total > self._limit and len(self._values) > 1:
                _, oldest = self._values.popitem(last=False)
                self._total -= self._cost(oldest)
            return value
