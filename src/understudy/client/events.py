"""Server-sent events, as values. Pure but for where the lines come from."""

from collections.abc import AsyncIterable, AsyncIterator

import msgspec

from understudy.client.failures import raised_by
from understudy.engine import Event, Job


async def items(lines: AsyncIterable[bytes]) -> AsyncIterator[Event | Job]:
    """What the stream tells; the error that it ends with is raised. Comments and what is not known are passed over."""
    kind, data = "", b""
    async for raw in lines:
        line = raw.rstrip(b"\r\n")
        if line:
            name, _, value = line.partition(b":")
            if name == b"event":
                kind = value.strip().decode()
            elif name == b"data":
                data = value.strip()
            continue
        if kind == "error":
            raise raised_by(data, 500)
        if kind == "event":
            yield msgspec.json.decode(data, type=Event)
        elif kind == "job":
            yield msgspec.json.decode(data, type=Job)
        kind, data = "", b""
