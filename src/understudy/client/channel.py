"""One connection to a daemon: requests with typed answers, and its failures as the errors that they are there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import aiohttp
import msgspec

from understudy import __version__
from understudy.client.failures import raised_by, unreachable
from understudy.engine import Value
from understudy.errors import DaemonUnavailable

T = TypeVar("T")

_SOON = aiohttp.ClientTimeout(total=10)
_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError)
"""The request may have been done, but nobody heard of it."""


class _Version(Value, frozen=True):
    version: str


class Channel:
    """Over the unix socket of a daemon on this host."""

    def __init__(self, session: aiohttp.ClientSession, socket: str) -> None:
        self._session = session
        self._socket = socket

    async def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: Any = None,
        key: str = "",
    ) -> T:
        """The answer, of type `kind`; what the daemon refuses is raised. With a `key` what was lost on the way is said again, once."""
        headers = {"Idempotency-Key": key} if key else {}
        data = None if body is None else msgspec.json.encode(body)
        if data is not None:
            headers["Content-Type"] = "application/json"
        parameters = {name: str(value) for name, value in (query or {}).items() if value is not None}
        status, content = 0, b""
        for is_last in (True,) if not key else (False, True):
            try:
                async with self._session.request(method, _url(path), params=parameters, data=data, headers=headers) as response:
                    status, content = response.status, await response.read()
                break
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                if is_last or not isinstance(error, _LOST):
                    raise unreachable(self._socket, error) from error
        if status >= 400:
            raise raised_by(content, status)
        return await self.read(content, kind)

    async def read(self, content: bytes | msgspec.Raw, kind: type[T]) -> T:
        """What the daemon said, as a `kind`. What it does not say has the kind's own default: an older one does not know all of it."""
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise DaemonUnavailable(f"the daemon's answer makes no sense: {error}", hint=await self._versions()) from error

    async def _versions(self) -> str:
        """What to do where one does not understand the other."""
        theirs = ""
        with suppress(TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError):
            async with self._session.get(_url("/v1/version"), timeout=_SOON) as response:
                theirs = msgspec.json.decode(await response.read(), type=_Version).version
        if not theirs:
            return "does an understudy listen there?"
        if theirs == __version__:
            return f"both are of version {theirs}: this is a fault in understudy"
        return f"the daemon is of version {theirs}, this command of {__version__}: restart the daemon, or use the command that came with it"

    @asynccontextmanager
    async def stream(self, path: str, *, query: Mapping[str, str], last: int | None) -> AsyncIterator[aiohttp.StreamReader]:
        """A stream of events, read for as long as it lasts."""
        headers = {} if last is None else {"Last-Event-ID": str(last)}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
        try:
            async with self._session.get(_url(path), params=query, headers=headers, timeout=timeout) as response:
                if response.status >= 400:
                    raise raised_by(await response.read(), response.status)
                yield response.content
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise unreachable(self._socket, error) from error


def _url(path: str) -> str:
    return f"http://localhost{path}"
