"""Large objects come in parts, over several connections at once. Where an answer breaks off, the rest is asked for."""

import asyncio
import time
from collections import deque

from understudy.errors import StoreUnavailable
from understudy.finish import first_failure
from understudy.pairing import wire
from understudy.store.peer.channel import Answer, Channel
from understudy.store.peer.failures import Broken

_TRIES = 3
"""How often in a row a part may break off without a byte more having come."""
_PAUSE = 0.25
FIRST = 64 << 10
"""Bytes that come alone, of more than LEAST_PART, and tell how long the object is. 1 MiB took 2.5 s over 40 ms and 1 % of loss, in which
nothing else of its object came."""
QUICK = 0.03
"""Seconds in which they are here where further requests cost more than it takes to wait for the last large part."""
_END = 1 << 50


async def fetched(channel: Channel, name: str, start: int, length: int | None, lanes: int) -> bytes:
    """As the store's `get`. `StoreUnavailable` for what does not fit together."""
    end = _END if length is None else start + length
    wanted = end - start if end - start <= wire.LEAST_PART else FIRST
    began = time.monotonic()
    first = await _part(channel, name, start, wanted, whole=start + wanted < end)
    seconds = time.monotonic() - began
    if first.length < wanted or start + wanted >= end:
        return b"".join(first.chunks)
    if first.size is None:
        raise StoreUnavailable(f"the site does not say how long {name} is")
    end = min(end, first.size)
    size = size_of_parts(end - start - wanted, lanes, seconds)
    todo = deque((at, min(at + size, end)) for at in range(start + wanted, end, size))
    parts = {start: first.chunks}

    async def lane() -> None:
        while todo:
            begin, last = todo.popleft()
            part = await _part(channel, name, begin, last - begin, whole=False)
            if part.length != last - begin:
                raise StoreUnavailable(f"{name} is shorter than the site said")
            parts[begin] = part.chunks

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(lanes, len(todo))):
                tasks.create_task(lane())
    except BaseExceptionGroup as group:
        raise first_failure(group) from None
    return b"".join(chunk for at in sorted(parts) for chunk in parts[at])


def size_of_parts(rest: int, lanes: int, seconds: float) -> int:
    """`rest`: bytes after the first part, which took so many seconds."""
    return wire.PART if seconds < QUICK else wire.part_of(rest, lanes)


async def _part(channel: Channel, name: str, start: int, length: int, *, whole: bool) -> Answer:
    """What breaks off is gone on with where it did."""
    got: list[bytes] = []
    size: int | None = None
    tries = 0
    while True:
        have = sum(map(len, got))
        query = {"start": str(start + have), "length": str(length - have)} | ({"whole": "1"} if whole else {})
        chunks: list[bytes] = []
        try:
            answer = await channel.receive("GET", f"{wire.OBJECTS}{name}", query, (), chunks, length - have)
        except Broken:
            tries = 1 if chunks else tries + 1
            got += chunks
            if tries >= _TRIES:
                raise
            await asyncio.sleep(_PAUSE * 2 ** (tries - 1))
            continue
        size = answer.size if answer.size is not None else size
        got += answer.chunks
        return Answer(got, size)
