"""Memory that several share, in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Place:
    size: int
    granted: asyncio.Event


class Room:
    """`size` bytes. Who asks for more than that has all of it."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._waiting: deque[_Place] = deque()

    @asynccontextmanager
    async def held(self, size: int) -> AsyncIterator[None]:
        place = _Place(min(size, self._size), asyncio.Event())
        self._waiting.append(place)
        self._pump()
        try:
            await place.granted.wait()
            yield
        finally:
            if place.granted.is_set():
                self._free += place.size
            else:
                self._waiting.remove(place)
            self._pump()

    def _pump(self) -> None:
        while self._waiting and self._waiting[0].size <= self._free:
            place = self._waiting.popleft()
            self._free -= place.size
            place.granted.set()
