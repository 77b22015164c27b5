"""Whoever follows what happens: bounded queues, so that a slow reader is ended and never held in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from understudy.engine import Event, Job
from understudy.errors import Overloaded

QUEUE = 1000


class Reader:
    """What one reader has not seen yet."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | Job] = asyncio.Queue(QUEUE)
        self._over = asyncio.Event()

    def tell(self, what: Event | Job) -> None:
        try:
            self._queue.put_nowait(what)
        except asyncio.QueueFull:
            self._over.set()

    async def read(self) -> AsyncIterator[Event | Job]:
        """`Overloaded` once it fell too far behind."""
        while True:
            if self._over.is_set():
                raise Overloaded("this reader is too slow for what happens here", hint="go on after the last event that was read")
            yield await self._queue.get()


class Bus:
    """Everything that is told goes to everybody who listens."""

    def __init__(self) -> None:
        self._readers: set[Reader] = set()

    def tell(self, what: Event | Job) -> None:
        for reader in self._readers:
            reader.tell(what)

    @contextmanager
    def listening(self) -> Iterator[Reader]:
        reader = Reader()
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
