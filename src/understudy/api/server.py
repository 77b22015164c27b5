"""The application: each row of the table becomes an aiohttp route that lets in, reads, asks, and answers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import msgspec
from aiohttp import web

from understudy.api.access import Identity, Settings, require
from understudy.api.audit import remembered
from understudy.api.browsers import must_not_be_led
from understudy.api.metrics import METRICS, Metrics, StoreUse
from understudy.api.openapi import describe
from understudy.api.peers import Peers
from understudy.api.queries import Nothing
from understudy.api.reading import body_of, path_of, query_of
from understudy.api.refusals import Overdue, refused, refused_by_fault, refused_by_http
from understudy.api.remembering import Remembered, checked_key
from understudy.api.routes import Call, Route
from understudy.api.schema import DESCRIPTION
from understudy.api.stream import CLOSING
from understudy.api.table import TABLE
from understudy.engine import Service
from understudy.errors import UnderstudyError

_LOG = logging.getLogger(__name__)
MOST_BYTES = 1 << 20
_METHODS = {"GET", "HEAD", "OPTIONS", *(route.method for route in TABLE)}

_Next: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PEERS: web.AppKey[Peers] = web.AppKey("peers", Peers)
_REMEMBERED: web.AppKey[Remembered] = web.AppKey("remembered", Remembered)


def make_app(service: Service, settings: Settings, store_use: Callable[[], StoreUse] = StoreUse) -> web.Application:
    """To be served on a unix socket, or with TLS on TCP: on any other connection every request is refused. `store_use`: up to now."""
    app = web.Application(middlewares=[_answering], client_max_size=MOST_BYTES)
    app[_PEERS] = Peers(settings)
    app[_REMEMBERED] = Remembered()
    app[METRICS] = Metrics(store_use)
    app[CLOSING] = asyncio.Event()
    app[DESCRIPTION] = describe(TABLE)
    app.on_shutdown.append(_close_streams)
    for route in TABLE:
        app.router.add_route(route.method, route.path, _bound(route, service))
    return app


def renew(app: web.Application, settings: Settings) -> None:
    """Who may ask for what, from now on."""
    app[_PEERS].renew(settings)


async def _close_streams(app: web.Application) -> None:
    app[CLOSING].set()


@web.middleware
async def _answering(request: web.Request, handler: _Next) -> web.StreamResponse:
    """Every failure becomes an answer of the one form."""
    began = time.monotonic()
    try:
        response = await handler(request)
    except UnderstudyError as error:
        if error.http_status in (401, 403):
            _LOG.info("%s %s was refused: %s", _method(request), _named(request), error.message)
        response = refused(error)
    except web.HTTPException as error:
        response = refused_by_http(error)
    except ConnectionError:
        raise
    except Exception as error:
        # A fault of our own is an answer, too, and logged there: who asks must not wait for one that never comes.
        response = refused_by_fault(error)
    if not response.prepared:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        request.app[METRICS].answered(_method(request), _named(request), response.status, time.monotonic() - began)
    return response


def _named(request: web.Request) -> str:
    """A path that is in the table, so that nobody can make up new ones for the metrics to remember."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


def _method(request: web.Request) -> str:
    """One that is known, for the same reason."""
    return request.method if request.method in _METHODS else "other"


def _bound(route: Route, service: Service) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        must_not_be_led(request)
        identity = await _let_in(request, route)
        path = path_of(request.match_info)
        query = query_of(route.query or Nothing, request.query)
        body = await body_of(request, route.body) if route.changes else None
        key = checked_key(request.headers.get("Idempotency-Key")) if route.method == "POST" else ""
        call = Call(service, identity, request, path, query, body, key)

        async def made() -> Any:
            if route.changes:
                await service.audit(identity.name, route.name, remembered(path, query, body))
            return await route.handler(call)

        async def encoded() -> bytes:
            return msgspec.json.encode(await made())

        async with _in_time(route):
            if route.answer is None:
                response = await made()
                assert isinstance(response, web.StreamResponse)
                return response
            if route.keeps and key:
                request_bytes = msgspec.json.encode((request.path, body))
                answer = await request.app[_REMEMBERED].once(identity.name, route.name, key, request_bytes, encoded)
            else:
                answer = await encoded()
        return web.Response(body=answer, status=route.status, content_type="application/json")

    return handle


async def _let_in(request: web.Request, route: Route) -> Identity:
    if route.role is None:
        return Identity(name="anybody", role=None, via="socket")
    identity = await request.app[_PEERS].identify(request)
    require(identity, route.role)
    return identity


class _in_time:
    """The route's own limit; beyond it the request is given up, and says so."""

    def __init__(self, route: Route) -> None:
        self._seconds = route.seconds
        self._timeout = asyncio.timeout(route.seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise Overdue(f"no answer within {self._seconds} s", hint="try again; if it stays so, look at the daemon's health") from None
