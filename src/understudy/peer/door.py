"""Where connections come in: what each costs before anybody is known by it is bounded, and peers have places that nobody else takes."""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from understudy.peer.places import Places

_LOG = logging.getLogger(__name__)
HANDSHAKES = 128
"""Connections at once that have not said yet who they are. Each takes some 300 KiB, as each of the others does."""
STRANGERS = 64
"""Connections at once without a certificate: who joins needs two of them, one after the other."""
PEERS = 1024
"""Connections at once of all peers."""

_HANDSHAKE = 10.0
FIRST = 15.0
"""Seconds in which a peer must ask for something, and a stranger has all that it may have to say."""
_FAREWELL = 1.0
_PAUSE = 0.1


def abort(line: asyncio.BaseTransport) -> None:
    """Python 3.11.2, which Debian 12 has, forgets what is below a TLS connection that was closed twice: that one is at its end already."""
    if isinstance(line, asyncio.WriteTransport):
        with contextlib.suppress(AttributeError):
            line.abort()


def named(line: asyncio.BaseTransport) -> str | None:
    """The peer's id, by a certificate that TLS has proven to be of our authority, and to be a peer's; None without any."""
    certificate = line.get_extra_info("peercert")
    if not certificate:
        return None
    return next((value for part in certificate["subject"] for key, value in part if key == "commonName"), "")


class Guest(asyncio.Protocol):
    """A connection that is past its handshake. What it says is passed on to a protocol that is made for it now."""

    def __init__(self, door: "Door", host: str) -> None:
        self._door = door
        self._places, self._group = door.strangers, host
        self._line: asyncio.BaseTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._line, peer = transport, named(transport)
        if peer is not None:
            self._places, self._group = self._door.peers, peer
        self._inner = self._door.protocol()
        self._inner.connection_made(transport)
        loop = asyncio.get_running_loop()
        loser = self._places.enter(self._group, self)
        self._timer = loop.call_later(self._door.first, self.cut)
        if loser is not None:
            loser.cut()

    def heard(self) -> None:
        """A peer has asked for something that it may ask for: from now on its connection may be idle."""
        if self._timer is not None:
            self._timer.cancel()

    def cut(self) -> None:
        if self._line is not None:
            abort(self._line)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._places.leave(self._group, self)
        self._inner.connection_lost(exc)


class Door:
    """`opened`: listens. `protocol`: made for each connection whose handshake is done; `first`: seconds, as `FIRST`."""

    def __init__(self, opened: socket.socket, context: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol], first: float) -> None:
        self.protocol = protocol
        self.first = first
        self.strangers: Places[Guest] = Places(STRANGERS)
        self.peers: Places[Guest] = Places(PEERS)
        self._opened = opened
        self._context = context
        self._greeting: Places[asyncio.Task[None]] = Places(HANDSHAKES)
        self._greets: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until it is cancelled: then nobody comes in any more, and who is in stays."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    accepted, address = await loop.sock_accept(self._opened)
                except OSError as error:
                    _LOG.warning("a connection of a peer could not be accepted: %s", error.strerror or error)
                    await asyncio.sleep(_PAUSE)
                    continue
                self._admit(accepted, _host(address))
        finally:
            self._opened.close()
            for task in list(self._greets):
                task.cancel()
            await asyncio.gather(*self._greets, return_exceptions=True)

    def _admit(self, accepted: socket.socket, host: str) -> None:
        task = asyncio.create_task(self._greet(accepted, host))
        self._greets.add(task)
        task.add_done_callback(self._greets.discard)
        # Cancelled before it began, it has closed nothing.
        task.add_done_callback(lambda task: accepted.close() if task.cancelled() else None)
        loser = self._greeting.enter(host, task)
        if loser is not None:
            loser.cancel()

    async def _greet(self, accepted: socket.socket, host: str) -> None:
        """Nothing is known of who is there, and nothing is said of who goes away."""
        task = asyncio.current_task()
        assert task is not None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Guest(self, host),
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE,
                ssl_shutdown_timeout=_FAREWELL,
            )
        except (OSError, asyncio.CancelledError):
            # Raised further, it would keep what the handshake took in memory.
            accepted.close()
        finally:
            self._greeting.leave(host, task)


def _host(address: Any) -> str:
    """What counts as one host: an address, or, of version 6, the network that one host has for itself."""
    text = str(address[0]).partition("%")[0]
    found = ipaddress.ip_address(text)
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((text, 64), strict=False))
    return text
