"""What a route is, and what its handler is given."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

from aiohttp import web

from understudy.api.access import Access, Identity
from understudy.engine import Service, Value

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One request that was let in. `key`: its Idempotency-Key, or nothing."""

    service: Service
    identity: Identity
    request: web.Request
    path: Mapping[str, str]
    query: object
    body: object
    key: str

    def asked(self, kind: type[T]) -> T:
        """The query, of the type that the route names."""
        assert isinstance(self.query, kind)
        return self.query

    def given(self, kind: type[T]) -> T:
        """The body, of the type that the route names."""
        assert isinstance(self.body, kind)
        return self.body


Handler: TypeAlias = Callable[[Call], Awaitable[object]]


@dataclass(frozen=True)
class Route:
    """One row of the table. `role` None: anybody, who learns nothing by it. `media`: of what is answered; where that is not JSON the
    handler makes the response itself. `keeps`: what it did is remembered by its Idempotency-Key here; jobs remember theirs durably."""

    method: Literal["GET", "PUT", "POST", "DELETE"]
    path: str
    name: str
    role: Access | None
    summary: str
    handler: Handler
    answer: Any = None
    query: type[Value] | None = None
    body: type[Value] | None = None
    status: int = 200
    media: str = "application/json"
    keeps: bool = False
    seconds: float | None = 30.0

    @property
    def changes(self) -> bool:
        return self.method != "GET"
