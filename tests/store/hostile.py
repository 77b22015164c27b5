"""An S3 server that does wrong what it is told to do wrong. What it keeps can be looked at."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from aiohttp import web

STAMP = "Sun, 22 Nov 2026 09:00:00 GMT"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def failure(status: int, code: str, message: str = "so it is") -> web.Response:
    return web.Response(
        status=status, text=f"<Error><Code>{code}</Code><Message>{message}</Message></Error>", content_type="application/xml"
    )


@dataclass
class Hostile:
    """`before`: answers instead, unless it gives None. `after`: may spoil the right answer. `heeds`: whether a create is conditional."""

    objects: dict[str, bytes] = field(default_factory=dict)
    before: Answer | None = None
    after: Callable[[web.Request, web.Response], Awaitable[web.StreamResponse]] | None = None
    heeds: bool = True
    listed: Callable[[list[str]], list[str]] = sorted
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        if self.before is not None and (instead := await self.before(request)) is not None:
            return instead
        right = await self._right(request)
        return right if self.after is None else await self.after(request, right)

    async def _right(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", "")
        match request.method:
            case "PUT":
                body = await request.read()
                if self.heeds and request.headers.get("If-None-Match") == "*" and name in self.objects:
                    return failure(412, "PreconditionFailed")
                self.objects[name] = body
                return web.Response(headers={"ETag": '"e"'})
            case "DELETE":
                self.objects.pop(name, None)
                return web.Response(status=204)
            case _ if not name:
                return self._list(request)
        if name not in self.objects:
            return failure(404, "NoSuchKey")
        return self._part(request, self.objects[name])

    def _part(self, request: web.Request, whole: bytes) -> web.Response:
        part = request.http_range
        start, stop = part.start or 0, min(part.stop or len(whole), len(whole))
        if start >= len(whole):
            return failure(416, "InvalidRange")
        said = {"ETag": '"e"', "Last-Modified": STAMP, "Content-Range": f"bytes {start}-{stop - 1}/{len(whole)}"}
        return web.Response(status=206, body=whole[start:stop], headers=said)

    def _list(self, request: web.Request) -> web.Response:
        prefix, after = request.query.get("prefix", ""), request.query.get("start-after", "")
        names = [name for name in self.listed(list(self.objects)) if name.startswith(prefix) and name > after]
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-22T09:00:00.000Z</LastModified><ETag>e</ETag>"
            f"<Size>{len(self.objects.get(name, b''))}</Size></Contents>"
            for name in names
        )
        return web.Response(
            text=f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>", content_type="application/xml"
        )


@contextlib.asynccontextmanager
async def serving(hostile: Hostile, ssl: object = None) -> AsyncIterator[Hostile]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/bucket/{name:.*}", hostile.answer)
    app.router.add_route("*", "/bucket", hostile.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl)  # type: ignore[arg-type]
        await site.start()
        hostile.endpoint = f"{'https' if ssl else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
        yield hostile
    finally:
        await runner.cleanup()


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Cut the connection instead of an answer."""
    assert request.transport is not None
    request.transport.abort()
    await asyncio.sleep(0)
    return web.Response()
