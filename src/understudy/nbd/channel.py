"""A server's end of one connection: bytes in and out, in the clear or inside TLS.

In the clear nothing is ever read before it is asked for: what a client sends behind its request for TLS is part of TLS, or nothing.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Protocol

import numpy as np

from understudy.model import BytesLike


class Channel(Protocol):
    """`OSError` or `EOFError` where the connection ended. One reader and one writer at a time."""

    async def fill(self, view: memoryview) -> None:
        """To the last byte."""
        ...

    async def send(self, data: BytesLike) -> None: ...

    def end(self) -> None:
        """Whoever reads or writes is told that the connection ended. Idempotent."""
        ...

    async def close(self) -> None: ...


def bytes_of(data: BytesLike) -> memoryview:
    return (data.data if isinstance(data, np.ndarray) else memoryview(data)).cast("B")


class ClearChannel:
    """A connected socket. It is not closed by `end`, so that nobody waits on a number that means another one."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected

    async def fill(self, view: memoryview) -> None:
        loop = asyncio.get_running_loop()
        while view:
            got = await loop.sock_recv_into(self.socket, view)
            if not got:
                raise EOFError
            view = view[got:]

    async def send(self, data: BytesLike) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, bytes_of(data))

    def end(self) -> None:
        with contextlib.suppress(OSError):  # the other side was faster
            self.socket.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        self.end()
        self.socket.close()


class TlsChannel:
    """What a connected socket becomes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connected: socket.socket, context: ssl.SSLContext) -> "TlsChannel":
        """The server's side of TLS; the socket belongs to the channel from now on."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connected, ssl=context)
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def fill(self, view: memoryview) -> None:
        view[:] = await self._reader.readexactly(len(view))

    async def send(self, data: BytesLike) -> None:
        self._writer.write(bytes_of(data))
        await self._writer.drain()

    def end(self) -> None:
        self._writer.transport.abort()

    async def close(self) -> None:
        self.end()
