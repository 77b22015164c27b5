"""Asking a site: connections kept open, a watch over each request, and every failure in terms of the store Protocol."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp
import msgspec
from yarl import URL

from understudy.errors import StoreUnavailable
from understudy.finish import finish_in_thread
from understudy.pairing import wire
from understudy.pairing.address import Address
from understudy.pairing.credential import can_be_let_in
from understudy.pairing.sockets import dead_after
from understudy.pairing.tls import SITE
from understudy.store.peer.failures import misfit, told, unreached
from understudy.store.peer.payload import Views

T = TypeVar("T")


class Patience(NamedTuple):
    """Seconds. `connect`: for a connection; `stall`: while something is being sent or read and nothing moves; `answer`: for what the site
    does with what was sent to its end, which waits for its own store."""

    connect: float = 15.0
    stall: float = 30.0
    answer: float = 120.0


class Answer(NamedTuple):
    """`chunks`: the body; `size`: the whole object's, where the site says it."""

    chunks: list[bytes]
    size: int | None

    @property
    def length(self) -> int:
        return sum(map(len, self.chunks))


class Channel:
    """To one site, for one loop. `maintains`: whether the site lets this one delete, `billed`: whether it pays for each request, as it
    said last."""

    def __init__(
        self, address: Address, context: ssl.SSLContext, connections: int, patience: Patience, credential: Path | None = None
    ) -> None:
        """`credential`: the file that `context` has it from, or its directory."""
        self._address = address
        self._credential = credential
        self._patience = patience
        self._base = URL.build(scheme="https", host=address.host, port=address.port)
        # Who waits for a connection is not under way yet, and has all its time still.
        self._free = asyncio.Semaphore(connections)
        connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=20, socket_factory=_socket)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect),
            skip_auto_headers=("Accept-Encoding", "User-Agent", "Content-Type"),
            read_bufsize=1 << 20,
        )
        # Where an answer was lost, whoever asked is to know: said again unseen, a PUT finds its own object, and a DELETE nothing any more.
        self._session._retry_connection = False
        self.maintains = self.billed = False

    async def ask(self, kind: type[T], method: str, path: str, query: Mapping[str, str] | None = None, body: Any = None) -> T:
        """An answer of JSON."""
        views = [memoryview(msgspec.json.encode(body))] if body is not None else []
        return self._read(kind, await self.receive(method, path, query, views, []))

    async def put(self, path: str, query: Mapping[str, str] | None, views: Sequence[memoryview]) -> str | None:
        """Bytes for an object; what became of it, or None while more of them are missing."""
        return self._read(wire.Created, await self.receive("PUT", path, query, views, [])).creation

    async def receive(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        views: Sequence[memoryview],
        chunks: list[bytes],
        most: int = wire.MOST_ANSWER,
    ) -> Answer:
        """When it returns or raises nothing reads `views` any more. `chunks`: empty; what came of an answer that broke off is there.
        `most`: bytes of an answer; one that is longer is not read to its end, since who answers may be anybody."""
        patience = self._patience
        try:
            async with self._free, asyncio.timeout(patience.connect + patience.stall) as watch:
                moved = _mover(watch, patience.stall)
                body = Views(views, moved, _mover(watch, patience.answer)) if views or method == "PUT" else None
                return await self._received(method, path, query, body, chunks, most, moved)
        except TimeoutError as error:
            raise unreached(self._address, error) from error
        except (aiohttp.ClientError, OSError) as error:
            # A site hangs up without a word on who shows what it has not signed.
            if self._credential is not None and not isinstance(error, aiohttp.ClientConnectorError):
                credential = self._credential
                if not await finish_in_thread(lambda: can_be_let_in(credential)):
                    raise misfit(self._address, credential) from error
            raise unreached(self._address, error) from error

    async def _received(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Views | None,
        chunks: list[bytes],
        most: int,
        moved: Callable[[], None],
    ) -> Answer:
        url = self._base.joinpath(path.removeprefix("/"), encoded=True)
        if query:
            url = url.with_query(query)
        async with self._session.request(method, url, data=body, server_hostname=SITE, allow_redirects=False) as response:
            if response.status != 200:
                raise told(self._address, response.status, await response.content.read(wire.MOST_TEXT))
            self.maintains = response.headers.get(wire.MAINTAINS, str(int(self.maintains))) == "1"
            self.billed = response.headers.get(wire.BILLED, str(int(self.billed))) == "1"
            size = response.headers.get(wire.SIZE, "")
            moved()
            while chunk := await response.content.readany():
                chunks.append(chunk)
                most -= len(chunk)
                if most < 0:
                    raise StoreUnavailable(f"the site at {self._address} gave more than was asked for")
                moved()
            return Answer(chunks, int(size) if size.isdecimal() else None)

    def _read(self, kind: type[T], answer: Answer) -> T:
        try:
            return msgspec.json.decode(b"".join(answer.chunks), type=kind)
        except msgspec.DecodeError as error:
            raise StoreUnavailable(
                f"the answer of the site at {self._address} makes no sense: {error}",
                hint="is its understudy of another version, or something between that answers in its place?",
            ) from None

    async def close(self) -> None:
        await self._session.close()


def _mover(watch: asyncio.Timeout, seconds: float) -> Callable[[], None]:
    loop = asyncio.get_running_loop()

    def moved() -> None:
        with suppress(RuntimeError):
            # The request has ended while its last bytes were on their way.
            watch.reschedule(loop.time() + seconds)

    return moved


def _socket(info: Any) -> socket.socket:
    family, kind, protocol, _, _ = info
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    dead_after(made)
    return made
