"""The application that peers talk to: who is let in, what comes to which handler, and how every failure is told."""

import asyncio
import logging
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakSet

import msgspec
from aiohttp import web

from understudy.engine import Failure, Peer
from understudy.errors import AccessDenied, InvalidRequest, NotFound, StoreUnavailable, UnderstudyError
from understudy.pairing import wire
from understudy.pairing.certificates import Authority, public_key_of, sign_peer
from understudy.peer.books import Books
from understudy.peer.door import Guest, abort, named
from understudy.peer.few import Few
from understudy.peer.hiding import hidden
from understudy.peer.listings import Listings
from understudy.peer.memory import Memory
from understudy.peer.storing import Storing
from understudy.peer.uploads import Uploads

_LOG = logging.getLogger(__name__)
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
Row: TypeAlias = tuple[str, str, Handler]
"""Method, path and handler."""

MOST_REQUESTS = 128
"""Of one peer, at once."""


@dataclass
class Site:
    """What the handlers share. `joined` is told of each peer that registers."""

    authority: Authority
    books: Books
    storing: Storing
    memory: Memory
    uploads: Uploads
    joined: Callable[[Peer], None]
    stall: float
    """Seconds for which a peer may send nothing of what it began to send."""
    lines: dict[str, WeakSet[asyncio.BaseTransport]] = field(default_factory=dict)
    listings: Listings = field(default_factory=Listings)
    busy: Counter[str] = field(default_factory=Counter)
    wrong: Few = field(default_factory=lambda: Few(10, 60.0))
    """Registration keys that let nobody in, or who had been let in before, by host."""
    told: Few = field(default_factory=lambda: Few(10, 60.0))
    """Refusals that were written to the log, by host."""

    def cut(self, peer: str) -> None:
        """Its connections end at once, whatever they were doing."""
        for line in list(self.lines.pop(peer, ())):
            abort(line)


SITE: web.AppKey[Site] = web.AppKey("site", Site)
PEER: web.RequestKey[Peer] = web.RequestKey("peer", Peer)


def make_app(site: Site, rows: Sequence[Row]) -> web.Application:
    """`rows`: for those who are let in."""
    app = web.Application(middlewares=[_answering], client_max_size=wire.MOST_TEXT)
    app[SITE] = site
    app.router.add_route("GET", wire.AUTHORITY, _authority)
    app.router.add_route("POST", wire.REGISTER, _register)
    for method, path, handler in rows:
        app.router.add_route(method, path, _let_in(handler))
    return app


def answered(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure becomes an answer of the one form; where an answer has begun already it breaks off."""
    try:
        return await handler(request)
    except UnderstudyError as failed:
        site, host, error = request.app[SITE], str(request.remote), hidden(failed)
        # What the peer is not told is the cause of what it is.
        whole = error.__cause__ if isinstance(error.__cause__, UnderstudyError) else error
        if (isinstance(error, AccessDenied) or whole is not error) and not site.told.are_too_many(host):
            site.told.count(host)
            _LOG.warning("%s %s from %s was refused: %s", request.method, request.path[:200], request.remote, whole)
        return refused(error)
    except web.HTTPException as error:
        failure = NotFound("there is nothing at this path") if error.status == 404 else InvalidRequest(error.reason)
        return refused(failure, error.status)
    except (ConnectionError, web.RequestPayloadError):
        # Whoever asked has gone, or is to see that the answer was not whole.
        if request.transport is not None:
            abort(request.transport)
        raise ConnectionResetError from None
    except Exception:
        _LOG.exception("a request of a peer failed by a fault in understudy")
        return refused(UnderstudyError("a fault in understudy", hint="the serving site's log has the details"))


def refused(error: UnderstudyError, status: int = 0) -> web.Response:
    failure = Failure(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
    response = answered(wire.Refusal(error=failure))
    response.set_status(status or error.http_status)
    # What was being sent is not read to its end.
    response.force_close()
    return response


def _let_in(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        site, transport = request.app[SITE], request.transport
        if transport is None:
            raise ConnectionResetError
        peer = await site.books.admitted(_proven(transport))
        site.lines.setdefault(peer.id, WeakSet()).add(transport)
        guest = transport.get_protocol() if isinstance(transport, asyncio.Transport) else None
        if isinstance(guest, Guest):
            guest.heard()
        if site.busy[peer.id] >= MOST_REQUESTS:
            raise StoreUnavailable(f"more than {MOST_REQUESTS} requests of one peer at once", hint="it is tried again")
        request[PEER] = peer
        site.busy[peer.id] += 1
        try:
            response = await handler(request)
        finally:
            site.busy[peer.id] -= 1
        if not response.prepared:
            tell_limits(request, response)
        return response

    return handle


def tell_limits(request: web.Request, response: web.StreamResponse) -> None:
    """What goes with every answer of JSON."""
    storing = request.app[SITE].storing
    response.headers[wire.MAINTAINS] = "1" if storing.may_delete(request[PEER]) else "0"
    response.headers[wire.BILLED] = "1" if storing.store.capabilities.billed else "0"


def _proven(transport: asyncio.BaseTransport) -> str:
    """The peer's id, by a certificate whose time is now."""
    certificate, peer = transport.get_extra_info("peercert"), named(transport)
    if peer is None:
        raise AccessDenied("this site is for its peers alone", hint="there: `understudy peer invite NAME`; here: `understudy peer join`")
    begin, end = (ssl.cert_time_to_seconds(certificate[key]) for key in ("notBefore", "notAfter"))
    if not begin <= time.time() < end:
        when = "has expired" if time.time() >= end else "is not valid yet"
        raise AccessDenied(
            f"this peer's certificate {when}: it is for {certificate['notBefore']} to {certificate['notAfter']}",
            hint="compare the clocks of both sites; if they are right: there `understudy peer invite`, here `understudy peer join --again`",
        )
    return peer


async def _authority(request: web.Request) -> web.StreamResponse:
    """For who is about to compare it with a pin."""
    return web.Response(text=request.app[SITE].authority.pem, content_type="application/x-pem-file")


async def _register(request: web.Request) -> web.StreamResponse:
    """A key is of 32 random bytes: nobody guesses it. Who tries costs this site a look into its registry, and not for long."""
    site, host = request.app[SITE], str(request.remote)
    _must_be_few(site, host)
    async with asyncio.timeout(site.stall):
        body = await request.read()
    try:
        asked = msgspec.json.decode(body, type=wire.Registration)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"this is no registration: {error}") from None
    try:
        await site.books.must_know(asked.peer, asked.secret)
        public_key = await asyncio.to_thread(public_key_of, asked.request)
        peer, first = await site.books.register(asked.peer, asked.secret, public_key)
    except AccessDenied:
        site.wrong.count(host)
        raise
    if first:
        site.storing.joined()
        site.joined(peer)
    else:
        # Who did not hear the answer needs few more.
        _must_be_few(site, host)
        site.wrong.count(host)
    certificate = await asyncio.to_thread(sign_peer, site.authority, asked.request, peer.id)
    return answered(wire.Registered(certificate=certificate, name=peer.name))


def _must_be_few(site: Site, host: str) -> None:
    if site.wrong.are_too_many(host):
        raise StoreUnavailable("too many registration keys that let nobody new in came from this host", hint="try again in a minute")
