"""A TLS listener that ends when all its connections have ended, each with its socket closed."""

import asyncio
import ssl
from collections.abc import Callable

FAREWELL = 1.0
"""Seconds for a peer to say goodbye, as TLS asks of it. Who does not is hung up on."""


class TlsListener:
    """A closed connection of TLS lives on until its peer answers the goodbye: with nobody to wait for it, its socket would stay open."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        # Asked beforehand: of a server that is closed already, Python 3.11 says at once that nothing is left of it.
        self._gone = asyncio.ensure_future(server.wait_closed())

    @classmethod
    async def begin(cls, protocol: Callable[[], asyncio.BaseProtocol], host: str, port: int, context: ssl.SSLContext) -> "TlsListener":
        """`OSError` where the address cannot be listened at."""
        loop = asyncio.get_running_loop()
        return cls(await loop.create_server(protocol, host, port, ssl=context, ssl_shutdown_timeout=FAREWELL))

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Nobody new is let in. Who is connected is ended by whoever made the protocols."""
        self._server.close()

    async def closed(self) -> None:
        """After `close`, and when all connections were told to end."""
        await asyncio.wait({self._gone}, timeout=2 * FAREWELL)
        self._gone.cancel()
