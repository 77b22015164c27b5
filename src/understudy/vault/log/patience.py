"""How long to go on when a store does not answer."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from understudy.errors import IntegrityError, NotFound, OverQuota, StoreUnavailable
from understudy.model import BytesLike, Data
from understudy.store.protocol import Creation, ObjectStore

TAIL = 64
"""Bytes from an object's end by which it is told whether it is ours: in what has a random name these are a hash, or sealed."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`attempts` tries, the waits between them doubling from `first` seconds, with jitter: some 6 s in all."""

    attempts: int = 6
    first: float = 0.25

    def waits(self) -> Iterator[float]:
        """Seconds to wait after each failed try; ends when it is time to give up."""
        for turn in range(self.attempts - 1):
            yield self.first * 2**turn * random.uniform(0.5, 1.0)


BRIEF = Patience(attempts=3)
"""For what is begun anew soon, and loses little by that."""


async def create_patiently(store: ObjectStore, name: str, data: Data, patience: Patience) -> Creation:
    """Create through transient failures. EXISTS only if something else is there: our own bytes count as created."""
    waits = patience.waits()
    while True:
        try:
            if await store.create(name, [data]) is Creation.CREATED or await store.get(name, 0, len(data) + 1) == data:
                return Creation.CREATED
            return Creation.EXISTS
        except OverQuota:
            raise
        except StoreUnavailable:
            wait = next(waits, None)
            if wait is None:
                raise
        await asyncio.sleep(wait)


async def create_new_patiently(store: ObjectStore, name: str, buffers: Sequence[BytesLike], patience: Patience) -> None:
    """Create through transient failures what has a random name: it can only exist because a try of ours, or of the store's own, took effect
    unseen. `IntegrityError` if something else is there. After `StoreUnavailable` it may exist all the same, and is garbage."""
    waits = patience.waits()
    while True:
        try:
            if await store.create(name, buffers) is Creation.EXISTS:
                await _must_be_ours(store, name, buffers)
            return
        except OverQuota:
            raise
        except StoreUnavailable:
            wait = next(waits, None)
            if wait is None:
                raise
        await asyncio.sleep(wait)


async def _must_be_ours(store: ObjectStore, name: str, buffers: Sequence[BytesLike]) -> None:
    size, end = sum(map(len, buffers)), b""
    for part in reversed(buffers):
        end = bytes(part[-TAIL:]) + end
        if len(end) >= TAIL:
            break
    try:
        found = await store.get(name, max(0, size - TAIL), TAIL + 1)
    except NotFound:
        found = None
    if found != end[-TAIL:]:
        raise IntegrityError(
            f"an object that nobody should have written exists as {name}",
            hint="the store answers wrongly, or something else writes into this vault; nothing refers to this object",
        )
