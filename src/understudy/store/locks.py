"""What a store that can lock objects does beside keeping them. The docstrings are the contract.

Such a store keeps every version that was ever stored under a name: what is deleted or overwritten is only covered, and a version that
is locked cannot be removed by anybody until its lock has ended.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol


class Lock(NamedTuple):
    """Until when a version is locked (seconds since 1970), and whether nobody at all can end it before."""

    until: float
    strict: bool


class Terms(NamedTuple):
    """`now`: by the server's clock, in seconds since 1970. `first`: seconds for which every new object is locked from the moment in which
    it is stored, by nobody's asking; 0: it is not, or not strictly."""

    now: float
    first: float


class Version(NamedTuple):
    """Something that was stored under a name, at `at` (seconds since 1970): bytes, or a `marker` that there is nothing any more. Two of
    the same `size` and `tag` are the same bytes. `latest`: what a reader sees."""

    id: str
    at: float
    latest: bool
    marker: bool = False
    size: int = 0
    tag: str = ""


class Stored(NamedTuple):
    """All that there is under a name: bytes, the newest first, and markers."""

    name: str
    versions: tuple[Version, ...]
    markers: tuple[Version, ...] = ()


class Locks(Protocol):
    """The objects of one `ObjectStore`, under the same names.

    Every method raises `StoreUnavailable` when the outcome is unknown or may differ on another try, and `StoreRefused` when it never will.
    """

    async def terms(self) -> Terms:
        """`Unsupported` if nothing can be locked there: the message says why."""
        ...

    def stored(self, prefix: str, start_after: str = "") -> AsyncIterator[Stored]:
        """Everything whose name starts with `prefix` and sorts after `start_after`, in byte order of the names. One request for a thousand
        versions."""
        ...

    async def lock(self, name: str, version: str, until: float) -> None:
        """Lock a version strictly until then (seconds since 1970) at least; what is locked for longer stays so. One or two requests."""
        ...

    async def locked(self, name: str, version: str = "") -> Lock | None:
        """None if it is not locked, or not there. Without a version: what a reader sees."""
        ...

    async def uncover(self, name: str, version: str, above: tuple[str, ...]) -> None:
        """Make a reader see this version: take away those that cover it, or where that is refused, lay its bytes on top of them."""
        ...

    async def probe(self) -> tuple[str, ...]:
        """What did not withstand, in words for an operator; empty if all did.

        An object is stored and locked on this very server, and then deleted, overwritten and unlocked as hard as these credentials can.
        """
        ...

    async def close(self) -> None: ...
