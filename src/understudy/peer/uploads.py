"""Objects that come in parts, each held in memory until it is whole. What a peer has sent stays for a while after its connection broke."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

import numpy as np

from understudy.errors import Conflict, NotFound, StoreUnavailable
from understudy.model import Bytes
from understudy.peer.memory import Hold, Memory
from understudy.peer.spans import Spans
from understudy.store.protocol import Creation

HALF = 15.0
"""Seconds for which half an upload is kept that nobody sends to. Who lives comes again within few seconds of a connection's end; the bytes
of one that was killed are in the way of what it sends when it is back, which waits for memory no longer than PATIENCE."""
IDLE = 60.0
"""Seconds for which an outcome is kept, which takes no room."""
MOST = 256
"""Uploads of one peer that are kept at once, outcomes included."""

Put: TypeAlias = Callable[[str, Bytes], Awaitable[Creation]]
"""Stores an object under its name, as the peer calls it."""


class Upload:
    """One object on its way. `bytes`: None before there is memory for them, and once they are stored."""

    def __init__(self, key: tuple[str, str], name: str, size: int) -> None:
        self.key = key
        self.name = name
        self.spans = Spans(size)
        self.bytes: Bytes | None = None
        self.hold: Hold | None = None
        self.storing: asyncio.Task[Creation] | None = None
        self.outcome: Creation | None = None
        self.begun = asyncio.Event()
        self.writers = 0
        self.used = time.monotonic()

    @property
    def size(self) -> int:
        return self.spans.size

    def write(self, at: int, data: bytes) -> None:
        """Nothing is written to what is whole, since it may be being stored. `StoreUnavailable` if it was given up."""
        if self.spans.whole:
            return
        if self.bytes is None:
            raise StoreUnavailable("this upload was given up", hint="it is begun again")
        self.bytes[at : at + len(data)] = np.frombuffer(data, np.uint8)
        self.spans.add(at, at + len(data))
        if self.hold is not None:
            self.hold.moved += len(data)
        self.used = time.monotonic()


class Uploads:
    """By peer, and by an id that the peer chose: no peer can name another one's."""

    def __init__(self, memory: Memory, half: float = HALF, idle: float = IDLE) -> None:
        self._memory = memory
        self._half = half
        self._idle = idle
        self._known: dict[tuple[str, str], Upload] = {}

    def find(self, peer: str, upload: str) -> Upload:
        """`NotFound` if there is none, or none any more."""
        found = self._known.get((peer, upload))
        if found is None:
            raise NotFound("this site has no such upload: it was given up, or the site began anew")
        return found

    @asynccontextmanager
    async def writing(self, peer: str, upload: str, name: str, size: int, gone: Callable[[], bool]) -> AsyncIterator[Upload]:
        """Part of an upload comes; begun if there is none of this id. Memory is waited for, and nothing kept for who is `gone`."""
        found = await self._begun((peer, upload), name, size, gone)
        if (found.name, found.size) != (name, size):
            raise Conflict(f"this upload is of {found.name} with {found.size} bytes")
        found.writers += 1
        try:
            yield found
        finally:
            found.writers -= 1
            found.used = time.monotonic()

    async def settled(self, upload: Upload, put: Put) -> Creation | None:
        """The outcome of a whole upload, which is stored once whoever asks; None while bytes are missing.

        One that could not be stored is given up: who hears of it comes again with another one, and who does not sends it again.
        """
        if upload.outcome is not None or not upload.spans.whole:
            return upload.outcome
        if upload.storing is None:
            if upload.bytes is None:
                raise StoreUnavailable("this upload was given up", hint="it is begun again")
            upload.storing = asyncio.create_task(self._stored(upload, upload.bytes, put))
            upload.storing.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Whoever is cut off does not take the outcome from the others.
        return await asyncio.shield(upload.storing)

    def sweep(self) -> None:
        """Give up what nobody has sent to for a while."""
        now = time.monotonic()
        for key, upload in list(self._known.items()):
            if not upload.writers and now - upload.used > (self._idle if upload.hold is None else self._half):
                self._forget(key)

    def drop(self, peer: str) -> None:
        """All of a peer that was revoked; what is being stored already goes to its end."""
        for key in [key for key in self._known if key[0] == peer]:
            self._forget(key)

    async def close(self) -> None:
        """What is being stored goes to its end."""
        storing = [upload.storing for upload in self._known.values() if upload.storing is not None]
        if storing:
            await asyncio.wait(storing)
        for key in list(self._known):
            self._forget(key)

    async def _begun(self, key: tuple[str, str], name: str, size: int, gone: Callable[[], bool]) -> Upload:
        while True:
            found = self._known.get(key)
            if found is None:
                return await self._begin(key, name, size, gone)
            await found.begun.wait()
            if gone():
                raise ConnectionResetError
            if self._known.get(key) is found:
                return found

    async def _begin(self, key: tuple[str, str], name: str, size: int, gone: Callable[[], bool]) -> Upload:
        self._make_place(key[0])
        upload = self._known[key] = Upload(key, name, size)
        try:
            upload.hold = await self._memory.take(key[0], size, gone)
            upload.hold.give_up = partial(self._forget, key)
            upload.bytes = np.empty(size, np.uint8)
        except BaseException:
            del self._known[key]
            raise
        finally:
            upload.begun.set()
        return upload

    async def _stored(self, upload: Upload, data: Bytes, put: Put) -> Creation:
        hold = upload.hold
        assert hold is not None
        hold.give_up = None
        try:
            upload.outcome = await put(upload.name, data)
            return upload.outcome
        finally:
            upload.storing = None
            upload.used = time.monotonic()
            # The outcome is told to who did not hear it; the bytes are of no use any more.
            self._free(upload)
            if upload.outcome is None:
                del self._known[upload.key]

    def _make_place(self, peer: str) -> None:
        """Outcomes that were most likely heard make place for what comes."""
        mine = [key for key in self._known if key[0] == peer]
        for key in mine:
            if len(mine) >= MOST and self._known[key].outcome is not None and not self._known[key].writers:
                self._forget(key)
        if sum(1 for other, _ in self._known if other == peer) >= MOST:
            raise StoreUnavailable(f"more than {MOST} uploads of one peer at once", hint="it is tried again")

    def _forget(self, key: tuple[str, str]) -> None:
        upload = self._known[key]
        if upload.storing is not None or not upload.begun.is_set():
            return
        del self._known[key]
        self._free(upload)

    def _free(self, upload: Upload) -> None:
        upload.bytes = None
        if upload.hold is not None:
            self._memory.give_back(upload.hold)
            upload.hold = None
