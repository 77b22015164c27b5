"""Large objects come in parts, over several connections at once. Where an answer breaks off, the rest is asked for."""

import asyncio
from collections import deque

from understudy.errors import StoreUnavailable
from understudy.finish import first_failure
from understudy.pairing import wire
from understudy.store.peer.channel import Answer, Channel
from understudy.store.peer.failures import Broken

_TRIES = 3
"""How often in a row a part may break off without a byte more having come."""
_PAUSE = 0.25
_END = 1 << 50


async def fetched(channel: Channel, name: str, start: int, length: int | None, lanes: int) -> bytes:
    """As the store's `get`. `StoreUnavailable` for what does not fit together."""
    end = _END if length is None else start + length
    wanted = min(wire.LEAST_PART, end - start)
    first = await _part(channel, name, start, wanted, whole=start + wanted < end)
    if first.length < wanted or start + wanted >= end:
        return b"".join(first.chunks)
    if first.size is None:
        raise StoreUnavailable(f"the site does not say how long {name} is")
    end = min(end, first.size)
    size = wire.part_of(end - start - wanted, lanes)
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
            answer = await channel.receive("GET", f"{wire.OBJECTS}{name}", query, (), chunks)
        except Broken:
            tries = 1 if chunks else tries + 1
            got += chunks
            if tries >= _TRIES:
                raise
            await asyncio.sleep(_PAUSE * 2 ** (tries - 1))
            continue
        size = answer.size if answer.size is not None else size
        got += answer.chunks
        if sum(map(len, got)) > length:
            raise StoreUnavailable(f"the site gave more of {name} than was asked for")
        return Answer(got, size)
