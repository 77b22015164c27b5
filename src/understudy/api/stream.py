"""Server-sent events: `event: event` with its id, `event: job` without one, since a job is shown as it is now.

A reader goes on after the id that it saw last (Last-Event-ID). One that does not read is ended, and so is everyone when the daemon stops.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Literal

import msgspec
from aiohttp import web

from understudy.api.queries import StreamAsked
from understudy.api.refusals import Refusal
from understudy.api.routes import Call
from understudy.engine import Event, Failure, Job
from understudy.errors import InvalidRequest, UnderstudyError

KEEP_ALIVE_SECONDS = 15.0
SLOWEST_SECONDS = 20.0
"""For so long a reader may leave what was sent to it unread."""

CLOSING: web.AppKey[asyncio.Event] = web.AppKey("closing", asyncio.Event)


async def followed(call: Call) -> web.StreamResponse:
    asked = call.asked(StreamAsked)
    source = call.service.follow(_after(call.request.headers.get("Last-Event-ID"), asked.after))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    closing = asyncio.ensure_future(call.request.app[CLOSING].wait())
    # The source listens from here on; the head goes out after that, so that whoever has it misses nothing.
    coming = asyncio.ensure_future(anext(source, None))
    await asyncio.sleep(0)
    try:
        await response.prepare(call.request)
        await _send(response, b"retry: 2000\n\n")
        while True:
            await asyncio.wait({coming, closing}, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if closing.done():
                break
            if not coming.done():
                await _send(response, b": still here\n\n")
                continue
            item = coming.result()
            if item is None:
                break
            if asked.job is None or (isinstance(item, Job) and item.id == asked.job):
                await _send(response, framed(item))
            coming = asyncio.ensure_future(anext(source, None))
    except UnderstudyError as error:
        failure = Failure(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
        with suppress(ConnectionError, TimeoutError):
            await _send(response, b"event: error\ndata: " + msgspec.json.encode(Refusal(error=failure)) + b"\n\n")
    except (ConnectionError, TimeoutError):
        # It went away, or does not read: nothing is owed to it, and it knows where to go on.
        if call.request.transport is not None:
            call.request.transport.abort()
    finally:
        await _ended(closing, coming, source)
    return response


def framed(item: Event | Job) -> bytes:
    """JSON has no line ends of its own, so that one line of data is enough."""
    if isinstance(item, Job):
        return b"event: job\ndata: " + msgspec.json.encode(item) + b"\n\n"
    return b"id: %d\nevent: event\ndata: " % item.id + msgspec.json.encode(item) + b"\n\n"


async def _send(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(SLOWEST_SECONDS):
        await response.write(data)


async def _ended(
    closing: "asyncio.Future[Literal[True]]", coming: "asyncio.Future[Event | Job | None]", source: AsyncIterator[Event | Job]
) -> None:
    closing.cancel()
    coming.cancel()
    await asyncio.wait({coming})
    if not coming.cancelled():
        coming.exception()
    close = getattr(source, "aclose", None)
    if close is not None:
        await close()


def _after(header: str | None, asked: int | None) -> int | None:
    if header is None or not header.strip():
        return asked
    if not header.isascii() or not header.isdecimal() or len(header) > 18:
        raise InvalidRequest("Last-Event-ID is no id of an event", hint="send the id that came last, or nothing")
    return int(header)
