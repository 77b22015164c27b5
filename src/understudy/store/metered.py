"""A store whose requests are counted: how many, how they ended, how long they took, and what they moved."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from understudy.errors import NotFound, StoreRefused, StoreUnavailable
from understudy.model import BytesLike, Data
from understudy.store.protocol import Capabilities, Creation, ObjectInfo, ObjectStore

Operation: TypeAlias = Literal["create", "get", "head", "list", "delete"]
Outcome: TypeAlias = Literal["done", "exists", "absent", "unavailable", "refused", "failed"]


@dataclass(slots=True)
class Count:
    """Requests that ended alike, and how long (seconds) they took together."""

    requests: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """What all stores that share it were asked. At most 5 operations times 6 outcomes, whatever is in the store."""

    counts: dict[tuple[Operation, Outcome], Count] = field(default_factory=dict)
    sent: int = 0
    """Bytes of objects that were created."""
    received: int = 0
    """Bytes of objects that were read."""

    def add(self, operation: Operation, outcome: Outcome, seconds: float) -> None:
        count = self.counts.setdefault((operation, outcome), Count())
        count.requests += 1
        count.seconds += seconds


class MeteredStore:
    """`store`, with every request told to `tally`. One that was cancelled has failed. A listing is one request however many pages it has,
    and takes the time that the store took, not that of who reads it."""

    def __init__(self, store: ObjectStore, tally: Tally, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._tally = tally
        self._clock = clock

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        with self._request("create") as request:
            creation = await self._store.create(name, buffers)
            request.outcome = "done" if creation is Creation.CREATED else "exists"
        if creation is Creation.CREATED:
            self._tally.sent += sum(map(len, buffers))
        return creation

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        with self._request("get"):
            data = await self._store.get(name, start, length)
        self._tally.received += len(data)
        return data

    async def head(self, name: str) -> ObjectInfo | None:
        with self._request("head") as request:
            info = await self._store.head(name)
            request.outcome = "absent" if info is None else "done"
        return info

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        infos = self._store.list(prefix, start_after)
        with self._request("list") as request:
            try:
                async for info in infos:
                    request.pause(self._clock())
                    yield info
                    request.resume(self._clock())
            finally:
                if isinstance(infos, AsyncGenerator):
                    await infos.aclose()

    async def delete(self, name: str) -> bool:
        with self._request("delete") as request:
            deleted = await self._store.delete(name)
            request.outcome = "done" if deleted else "absent"
        return deleted

    async def close(self) -> None:
        await self._store.close()

    @contextmanager
    def _request(self, operation: Operation) -> Iterator["_Request"]:
        request = _Request(self._clock())
        try:
            yield request
        except NotFound:
            request.outcome = "absent"
            raise
        except StoreUnavailable:
            request.outcome = "unavailable"
            raise
        except StoreRefused:
            request.outcome = "refused"
            raise
        except GeneratorExit:  # who reads a listing has heard enough
            raise
        except BaseException:
            request.outcome = "failed"
            raise
        finally:
            request.pause(self._clock())
            self._tally.add(operation, request.outcome, request.seconds)


class _Request:
    """One that is under way since `at`."""

    def __init__(self, at: float) -> None:
        self.outcome: Outcome = "done"
        self.seconds = 0.0
        self._since: float | None = at

    def pause(self, at: float) -> None:
        if self._since is not None:
            self.seconds += at - self._since
            self._since = None

    def resume(self, at: float) -> None:
        self._since = at
