"""Replies without I/O: a generator yields the buffers to be filled next, a caller's own where payload follows."""

from collections.abc import Callable, Generator
from typing import NoReturn

from understudy.nbd import wire
from understudy.nbd.failure import printable, violation
from understudy.nbd.request import MAX_EXTENTS, Request
from understudy.nbd.wire import Chunk, Command

Settled = Callable[[Request], None]


def replies(pending: dict[int, Request], structured: bool, settled: Settled) -> Generator[memoryview, None, NoReturn]:
    """Parse replies forever. `settled` is told each request that is complete or refused, after it left `pending`.

    Each yielded buffer must be filled to its last byte before the next step. Raises `NbdFailed` at the first byte that the
    protocol forbids: a cookie without a request, bytes outside a request's range or sent twice, an impossible length.
    """
    head = memoryview(bytearray(32))
    while True:
        yield head[: wire.CHUNK.size]
        magic, flags, kind, cookie = wire.CHUNK.unpack_from(head)
        request = pending.get(cookie)
        if magic not in (wire.SIMPLE_MAGIC, wire.STRUCTURED_MAGIC) or (magic == wire.STRUCTURED_MAGIC and not structured):
            raise violation(f"it sent something that is no reply (magic {magic:#010x})")
        if request is None:
            raise violation("it answered a request that was not made, or is finished")
        if magic == wire.SIMPLE_MAGIC:
            if structured and request.command in (Command.READ, Command.BLOCK_STATUS):
                raise violation("it sent a simple reply where a structured one was agreed on")
            _, error, _ = wire.SIMPLE.unpack_from(head)
            if error:
                request.fail(error, "")
            elif request.command == Command.READ:
                yield request.place(request.offset, request.length)
            done = True
        else:
            request.chunk()
            yield from _chunk(head, request, kind)
            done = bool(flags & wire.CHUNK_DONE)
            if not done and kind == Chunk.NONE:
                raise violation("an empty part is not the last of its reply")
        if done:
            request.complete()
            del pending[cookie]
            settled(request)


def _chunk(head: memoryview, request: Request, kind: int) -> Generator[memoryview, None, None]:
    match kind:
        case Chunk.NONE:
            yield head[:4]
            if wire.LENGTH.unpack_from(head)[0]:
                raise violation("an empty part has a payload")
        case Chunk.OFFSET_DATA:
            yield head[: wire.DATA.size]
            length, offset = wire.DATA.unpack_from(head)
            yield request.place(offset, length - 8)
        case Chunk.OFFSET_HOLE:
            yield head[: wire.HOLE.size]
            length, offset, size = wire.HOLE.unpack_from(head)
            if length != 12:
                raise violation(f"the description of a hole has {length} bytes")
            hole = request.place(offset, size)
            hole[:] = bytes(len(hole))
        case Chunk.BLOCK_STATUS:
            yield head[:4]
            (length,) = wire.LENGTH.unpack_from(head)
            if length < 12 or (length - 4) % 8 or length > 4 + 8 * MAX_EXTENTS:
                raise violation(f"a list of extents has {length} bytes")
            payload = bytearray(length)
            yield memoryview(payload)
            request.status(payload)
        case _ if kind & wire.CHUNK_ERROR_BIT:
            yield from _error(head, request, kind)
        case _:
            raise violation(f"it sent a part of an unknown kind ({kind})")


def _error(head: memoryview, request: Request, kind: int) -> Generator[memoryview, None, None]:
    yield head[: wire.ERROR.size]
    length, error, said = wire.ERROR.unpack_from(head)
    if length < 6 or length > 6 + wire.MAX_STRING + 8:
        raise violation(f"an error has {length} bytes")
    rest = bytearray(length - 6)
    if rest:
        yield memoryview(rest)
    if said + (8 if kind == Chunk.ERROR_OFFSET else 0) > len(rest):
        raise violation("an error's message is longer than the error")
    request.fail(error, printable(rest[:said]))
