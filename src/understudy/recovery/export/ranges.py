"""Who changes which blocks at the moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Ranges:
    """Ranges that are held; one that overlaps another waits for it."""

    def __init__(self) -> None:
        self._held: list[tuple[int, int]] = []
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, first: int, end: int) -> AsyncIterator[None]:
        mine = (first, end)
        async with self._changed:
            await self._changed.wait_for(lambda: all(end <= low or high <= first for low, high in self._held))
            self._held.append(mine)
        try:
            yield
        finally:
            self._held.remove(mine)
            async with self._changed:
                self._changed.notify_all()
