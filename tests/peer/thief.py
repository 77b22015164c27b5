"""Who has stolen a peer's credential, and says what understudy never would."""

import asyncio
import json
from typing import Any, NamedTuple

from tests.peer.pair import Served
from understudy.pairing.credential import context_of
from understudy.pairing.tls import SITE


class Heard(NamedTuple):
    status: int
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["error"])


class Line:
    """A connection over which any bytes may be sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, site: Served, name: str) -> "Line":
        context = context_of(site.credential(name), site.address)
        return cls(*await asyncio.open_connection("127.0.0.1", site.port, ssl=context, server_hostname=SITE))

    async def begin(self, method: str, path: str, length: int = 0) -> None:
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode("latin-1"))
        await self.writer.drain()

    async def heard(self) -> Heard:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length"))
        return Heard(int(head.split()[1]), await self.reader.readexactly(length))

    def close(self) -> None:
        self.writer.transport.abort()


async def said(site: Served, name: str, method: str, path: str, body: bytes = b"") -> Heard:
    line = await Line.open(site, name)
    try:
        await line.begin(method, path, len(body))
        line.writer.write(body)
        return await line.heard()
    finally:
        line.close()
