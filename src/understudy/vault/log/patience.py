"""How long to go on when a store does not answer."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass

from understudy.errors import StoreUnavailable
from understudy.store.protocol import Creation, ObjectStore


@dataclass(frozen=True, slots=True)
class Patience:
    """`attempts` tries, the waits between them doubling from `first` seconds, with jitter: some 6 s in all."""

    attempts: int = 6
    first: float = 0.25

    def waits(self) -> Iterator[float]:
        """Seconds to wait after each failed try; ends when it is time to give up."""
        for turn in range(self.attempts - 1):
            yield self.first * 2**turn * random.uniform(0.5, 1.0)


async def create_patiently(store: ObjectStore, name: str, data: bytes, patience: Patience) -> Creation:
    """Create through transient failures. EXISTS only if something else is there: our own bytes count as created."""
    waits = patience.waits()
    while True:
        try:
            if await store.create(name, [data]) is Creation.CREATED or await store.get(name, 0, len(data) + 1) == data:
                return Creation.CREATED
            return Creation.EXISTS
        except StoreUnavailable:
            wait = next(waits, None)
            if wait is None:
                raise
        await asyncio.sleep(wait)
