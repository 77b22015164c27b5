"""What a peer may ask for. Each handler holds a bounded amount of memory, which is the peer's own."""

from collections.abc import AsyncIterator
from functools import partial

import msgspec
import numpy as np
from aiohttp import web

from understudy.errors import InvalidRequest, NotFound, StoreUnavailable, UnderstudyError
from understudy.finish import finish
from understudy.model import Bytes, Data
from understudy.pairing import wire
from understudy.peer.app import PEER, SITE, Row, answered, tell_limits
from understudy.peer.chroot import Chroot
from understudy.peer.door import abort
from understudy.peer.memory import Hold
from understudy.peer.pace import Pace
from understudy.store.protocol import Creation

_WRITE = 256 << 10
_SMALL = 256 << 10
"""Bytes from which on it is worth a look beforehand whether an object would be refused in the end."""
_LARGEST = 1 << 50


def routes() -> list[Row]:
    return [
        ("GET", wire.ABOUT, _about),
        ("PUT", wire.OBJECTS + "{name:.*}", _create),
        ("GET", wire.OBJECTS + "{name:.*}", _get),
        ("DELETE", wire.OBJECTS + "{name:.*}", _delete),
        ("GET", wire.SIZES + "{name:.*}", _size),
        ("GET", wire.LIST, _list),
        ("PUT", wire.UPLOADS + "{upload:[0-9a-f]{32}}/{name:.*}", _upload_part),
        ("GET", wire.UPLOADS + "{upload:[0-9a-f]{32}}", _upload),
    ]


async def _about(request: web.Request) -> web.StreamResponse:
    return answered(wire.About(name=request[PEER].name, largest=request.app[SITE].memory.share))


async def _create(request: web.Request) -> web.StreamResponse:
    """A whole object in one request."""
    site, peer, name, size = request.app[SITE], request[PEER], request.match_info["name"], _length_of(request)
    if size > _SMALL:
        await site.storing.must_have_room(peer, name, size)
    async with site.memory.held(peer.id, size, partial(_gone, request)) as hold:
        hold.give_up = partial(_cut, request)
        data = np.empty(size, np.uint8)
        pace = Pace(site.stall)
        while chunk := await _chunk(request, pace):
            data[hold.moved : hold.moved + len(chunk)] = np.frombuffer(chunk, np.uint8)
            hold.moved += len(chunk)
        if hold.moved < size:
            raise ConnectionResetError
        hold.give_up = None
        # Begun, it goes to its end: nobody could say otherwise what became of it.
        creation = await finish(site.storing.create(peer, name, data))
    return answered(wire.Created(creation=creation.value))


async def _upload_part(request: web.Request) -> web.StreamResponse:
    """A part of an object: whoever sends the last byte that was missing hears what became of it."""
    site, peer, name, length = request.app[SITE], request[PEER], request.match_info["name"], _length_of(request)
    size, at = _number(request, "size"), _number(request, "at")
    if at + length > size:
        raise InvalidRequest(f"bytes {at} to {at + length} are not of an object of {size}")
    await site.storing.must_have_room(peer, name, size)
    async with site.uploads.writing(peer.id, request.match_info["upload"], name, size, partial(_gone, request)) as upload:
        pace = Pace(site.stall)
        while chunk := await _chunk(request, pace):
            upload.write(at, chunk)
            at += len(chunk)

        async def put(name: str, data: Bytes) -> Creation:
            return await site.storing.create(peer, name, data)

        creation = await site.uploads.settled(upload, put)
    return answered(wire.Created(creation=creation.value if creation else None))


async def _upload(request: web.Request) -> web.StreamResponse:
    upload = request.app[SITE].uploads.find(request[PEER].id, request.match_info["upload"])
    return answered(wire.Upload(missing=upload.spans.missing, creation=upload.outcome.value if upload.outcome else None))


async def _get(request: web.Request) -> web.StreamResponse:
    """Some bytes of an object, streamed piece by piece. `start`, and perhaps `length`; `whole=1` asks for its size, too."""
    site, peer, name = request.app[SITE], request[PEER], request.match_info["name"]
    start, length = _number(request, "start", 0), _number(request, "length", _LARGEST)
    view = site.storing.seen_by(peer)
    async with site.memory.held(peer.id, min(length, wire.PART), partial(_gone, request)) as hold:
        wanted = min(length, wire.PART)
        first = await view.get(name, start, wanted)
        if len(first) > wanted:
            raise StoreUnavailable(f"the served store gave {len(first)} bytes of {name} where {wanted} were asked for")
        total = None
        if len(first) < wanted:
            total = start + len(first) if first or not start else None
        elif length > wanted or request.query.get("whole") == "1":
            total = await view.size(name)
            if total is None:
                raise NotFound(f"there is no object {name}")
        end = start + len(first) if total is None else max(start, min(total, start + length))
        response = web.StreamResponse(headers={} if total is None else {wire.SIZE: str(total)})
        response.content_length = end - start
        await response.prepare(request)
        hold.give_up = partial(_cut, request)
        try:
            await _streamed(Pace(site.stall), hold, response, view, name, first, start, end)
        except (UnderstudyError, TimeoutError) as error:
            # Who reads sees that bytes are missing.
            raise ConnectionResetError from error
        return response


async def _streamed(pace: Pace, hold: Hold, response: web.StreamResponse, view: Chroot, name: str, piece: Data, at: int, end: int) -> None:
    while True:
        async for moved in _written(pace, response, piece):
            hold.moved += moved
        at += len(piece)
        if at >= end:
            break
        wanted = min(wire.PART, end - at)
        piece = await view.get(name, at, wanted)
        if len(piece) != wanted:
            raise StoreUnavailable(f"the served store gave {len(piece)} bytes of {name} where {wanted} were asked for")
    await response.write_eof()


async def _written(pace: Pace, response: web.StreamResponse, piece: Data) -> AsyncIterator[int]:
    """Gives how many bytes went, as they do. `TimeoutError` if they do not, or too slowly."""
    for begin in range(0, len(piece), _WRITE):
        async with pace.next():
            await response.write(memoryview(piece)[begin : begin + _WRITE])
        pace.moved(_WRITE)
        yield _WRITE


async def _size(request: web.Request) -> web.StreamResponse:
    view = request.app[SITE].storing.seen_by(request[PEER])
    return answered(wire.Size(size=await view.size(request.match_info["name"])))


async def _delete(request: web.Request) -> web.StreamResponse:
    deleted = await request.app[SITE].storing.delete(request[PEER], request.match_info["name"])
    return answered(wire.Deleted(deleted=deleted))


async def _list(request: web.Request) -> web.StreamResponse:
    site, peer, gone = request.app[SITE], request[PEER], partial(_gone, request)
    view = site.storing.seen_by(peer)
    most = min(max(1, _number(request, "most", wire.PAGE)), wire.PAGE)
    async with site.listings.of(peer.id, gone):
        async with site.listings.reading(gone):
            infos, more = await view.page(request.query.get("prefix", ""), request.query.get("after", ""), most)
        body = msgspec.json.encode(wire.Page(items=tuple((info.name, info.size) for info in infos), more=more))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(body)
        tell_limits(request, response)
        await response.prepare(request)
        try:
            async for _ in _written(Pace(site.stall), response, body):
                pass
        except TimeoutError:
            raise ConnectionResetError from None
        await response.write_eof()
        return response


async def _chunk(request: web.Request, pace: Pace) -> bytes:
    """What has come of the body; empty at its end. `ConnectionResetError` if nothing comes any more, or too slowly."""
    try:
        async with pace.next():
            chunk, _ = await request.content.readchunk()
    except TimeoutError:
        raise ConnectionResetError from None
    pace.moved(len(chunk))
    return chunk


def _gone(request: web.Request) -> bool:
    return request.transport is None


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        abort(request.transport)


def _length_of(request: web.Request) -> int:
    if request.content_length is None:
        raise InvalidRequest("the length of what is sent must be said before it")
    return request.content_length


def _number(request: web.Request, key: str, default: int | None = None) -> int:
    text = request.query.get(key, "" if default is None else str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise InvalidRequest(f"{key}={text[:40]!r} is no number")
    return min(int(text), _LARGEST)
