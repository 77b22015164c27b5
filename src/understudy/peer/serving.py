"""A site that serves a store to its peers: listening, watching who is revoked, renewing what proves it."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from understudy.engine import Peer
from understudy.errors import InvalidRequest, StateFailed, UnderstudyError
from understudy.pairing.certificates import Authority
from understudy.pairing.sockets import dead_after
from understudy.pairing.tls import server_context
from understudy.peer.app import Site, make_app
from understudy.peer.authority import authority_here, leaf_here
from understudy.peer.books import Books
from understudy.peer.door import FIRST, Door
from understudy.peer.handlers import routes
from understudy.peer.memory import GRACE, Memory
from understudy.peer.storing import Storing
from understudy.peer.uploads import HALF, Uploads
from understudy.store.protocol import ObjectStore

_LOG = logging.getLogger(__name__)
_QUIET = logging.getLogger(f"{__name__}.http")
"""Who talks nonsense, or goes away in the middle, writes nothing into this site's log; faults of understudy are told elsewhere."""
_QUIET.setLevel(logging.CRITICAL)
_DRAIN = 5.0
_READ_BUFFER = 256 << 10
_BACKLOG = 256
_RENEWAL = 3600.0


class Terms(NamedTuple):
    """How a site serves: where it listens, bytes of memory for what is under way, and seconds.

    `stall`: how long a peer may send, or take, nothing in the middle of something; `idle`: how long a connection may be unused;
    `watch`: how often it is looked who was revoked; `keep`: how long half an upload is kept; `grace`: how long
    memory that a peer is due is waited for before another one loses it; `first`: how long somebody may say nothing after who it is.
    """

    host: str
    port: int
    memory: int = 256 << 20
    stall: float = 30.0
    idle: float = 75.0
    watch: float = 0.5
    keep: float = HALF
    grace: float = GRACE
    first: float = FIRST


def _silent(peer: Peer) -> None:
    """Nobody wants to hear of it."""


@asynccontextmanager
async def serving(
    directory: Path, site: str, store: ObjectStore, terms: Terms, joined: Callable[[Peer], None] = _silent
) -> AsyncIterator[int]:
    """Serve `store`, which is the caller's, to the peers on record in `directory`; gives the port. `joined` is told of new ones.

    `InvalidRequest` if it cannot listen there, `StateFailed` if the directory cannot be read or written.
    """
    authority = await asyncio.to_thread(authority_here, directory, site)
    leaf, _ = await asyncio.to_thread(leaf_here, directory, authority)
    try:
        context = await asyncio.to_thread(server_context, leaf, authority.pem)
    except OSError as error:
        raise StateFailed(f"{leaf} cannot be used: {error}", hint="remove it: it is made anew") from None
    context.num_tickets = 0
    books = Books(directory)
    await books.open()
    memory = Memory(terms.memory, terms.memory // 2, grace=terms.grace)
    uploads = Uploads(memory, terms.keep)
    here = Site(authority, books, Storing(store, books), memory, uploads, joined, terms.stall)
    runner = web.AppRunner(
        make_app(here, routes()),
        access_log=None,
        logger=_QUIET,
        # What is stored is what was sent, and no more.
        auto_decompress=False,
        shutdown_timeout=_DRAIN,
        keepalive_timeout=terms.idle,
        read_bufsize=_READ_BUFFER,
        lingering_time=5.0,
    )
    keeping: list[asyncio.Task[None]] = []
    try:
        await runner.setup()
        assert runner.server is not None
        opened = await _listening(terms)
        port = int(opened.getsockname()[1])
        door = Door(opened, context, runner.server, terms.first)
        here.storing.begin()
        keeping = [asyncio.create_task(work) for work in (door.run(), _watch(here, terms.watch), _renew(directory, authority, context))]
        yield port
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        for peer in list(here.lines):
            if not here.busy[peer]:
                here.cut(peer)
        await runner.cleanup()
        for peer in list(here.lines):
            here.cut(peer)
        await uploads.close()
        await here.storing.close()
        await books.close()


async def _listening(terms: Terms) -> socket.socket:
    try:
        return await asyncio.to_thread(_opened, terms.host, terms.port)
    except OSError as error:
        raise InvalidRequest(f"peers.listen: {terms.host}:{terms.port} cannot be listened at: {error.strerror or error}") from None


def _opened(host: str, port: int) -> socket.socket:
    """What accepted connections inherit: who has gone without a word is found out by the kernel."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    opened = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    opened.setblocking(False)
    dead_after(opened)
    return opened


async def _watch(site: Site, every: float) -> None:
    """Who is revoked is cut off, and what it had begun to send forgotten; so is what nobody sends to any more."""
    written: frozenset[str] = frozenset()
    while True:
        await asyncio.sleep(every)
        try:
            site.uploads.sweep()
            with suppress(UnderstudyError):
                # While it cannot be read nobody is let in either.
                revoked = await site.books.revoked()
                for peer in revoked & site.lines.keys():
                    _LOG.warning("the peer %s was revoked: its connections are cut", peer)
                    site.cut(peer)
                    site.uploads.drop(peer)
                if revoked != written:
                    await site.books.catch_up()
                    written = revoked
        except Exception:
            # Once more is better than never again: who is revoked is refused at each request all the same.
            _LOG.exception("looking who was revoked failed by a fault in understudy")


async def _renew(directory: Path, authority: Authority, context: ssl.SSLContext) -> None:
    """Connections that are open go on with what they began with."""
    while True:
        await asyncio.sleep(_RENEWAL)
        try:
            leaf, anew = await asyncio.to_thread(leaf_here, directory, authority)
            if anew:
                await asyncio.to_thread(context.load_cert_chain, leaf)
        except (UnderstudyError, OSError) as error:
            _LOG.error("what proves this site to its peers could not be renewed, and is tried again: %s", error)
