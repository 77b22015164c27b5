"""What a vault needs of an object store. The docstrings are the contract; tests/store/conformance.py is its proof."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias

from understudy.model import BytesLike, Data


class Creation(Enum):
    """The two certain outcomes of `create`."""

    CREATED = "created"
    EXISTS = "exists"


class ObjectInfo(NamedTuple):
    """An object's name and length in bytes."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do, as data, so that no caller tests its type."""

    kind: str
    deletes: bool = True
    parallel: int = 4
    """How many requests at once are worth it."""
    object_size: int = 32 << 20
    """Bytes: what an object should at most have, so that as many as are worth it at once fit in memory."""
    billed: bool = False
    """Whether each request costs money, as far as the kind tells."""
    late: bool = True
    """Whether a create may take effect after it had failed."""
    near: bool = False
    """Whether it is on this host, whose system keeps what was read lately."""


Pace: TypeAlias = Callable[[str, int], Awaitable[None]]
"""Given an object's name and size in bytes, returns when it may be sent."""


class Reader(Protocol):
    """All that reading objects takes whose names are known. What it raises and gives is said of `ObjectStore`."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data: ...


class Cache(Reader, Protocol):
    """Gives of objects that never change what the store once said, also where it has lost or damaged them since."""

    def forget(self) -> None:
        """Ask the store again: something that was read made no sense."""
        ...


class ObjectStore(Reader, Protocol):
    """Immutable objects under slash-separated names (segments of `[a-z0-9._-]`, none empty, `.` or `..`).

    Every method raises `StoreUnavailable` when the outcome is unknown or may differ on another try, and `StoreRefused` when
    it never will. After `StoreUnavailable` from `create` the object may exist, now or later.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        """Store the buffers' concatenation under `name`, whole or not at all; durable when this returns; never overwrites."""
        ...

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        """Read `length` bytes from `start`, or to the end; shorter where the object ends. `NotFound` if it does not exist."""
        ...

    async def head(self, name: str) -> ObjectInfo | None:
        """The object's size, or None if it certainly does not exist."""
        ...

    def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        """Objects whose names start with `prefix` and sort after `start_after`, in byte order of their names."""
        ...

    async def delete(self, name: str) -> bool:
        """Remove an object; False if there was none. A maintenance right of its own."""
        ...

    async def close(self) -> None:
        """Let go of connections and threads. Idempotent."""
        ...
