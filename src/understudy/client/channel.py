"""One connection to a daemon: requests with typed answers, and its failures as the errors that they are there."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import msgspec

from understudy.client.failures import raised_by, unreachable
from understudy.errors import DaemonUnavailable

T = TypeVar("T")

_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError)
"""The request may have been done, but nobody heard of it."""


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
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise DaemonUnavailable(
                f"the daemon's answer makes no sense: {error}", hint="are it and this command of the same version?"
            ) from error

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
