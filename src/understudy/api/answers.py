"""What is answered beyond the facade's own values."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from understudy.engine import Points, Value

T = TypeVar("T")


class Page(Value, Generic[T], frozen=True):
    """Part of a list. `next` goes into the query of the one after it; None: there is no more now."""

    items: tuple[T, ...]
    next: str | None = None


class PointsPage(Points, frozen=True):
    """The newest points, oldest first. `next` leads to older ones."""

    next: str | None = None


class Version(Value, frozen=True):
    version: str
    api: str = "v1"


class Names(Value, frozen=True):
    """Machines that this host follows."""

    machines: tuple[str, ...]


def paged(items: Iterable[T], key: Callable[[T], str], limit: int, after: str | None) -> Page[T]:
    """The first `limit` items in the order of their keys that come after `after`."""
    rest = sorted((item for item in items if after is None or key(item) > after), key=key)
    return Page(items=tuple(rest[:limit]), next=key(rest[limit - 1]) if len(rest) > limit else None)
