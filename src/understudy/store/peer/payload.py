"""A body made of views of the caller's buffers: nothing is copied before it is encrypted."""

from collections.abc import Callable, Sequence

import numpy as np
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from understudy.model import BytesLike

_WRITE = 256 << 10


def views_of(buffers: Sequence[BytesLike]) -> list[memoryview]:
    return [memoryview(part.data if isinstance(part, np.ndarray) else part).cast("B") for part in buffers if len(part)]


def cut(views: Sequence[memoryview], begin: int, end: int) -> list[memoryview]:
    """The bytes from `begin` to `end` of their concatenation."""
    found, at = [], 0
    for view in views:
        first, last = max(begin - at, 0), min(end - at, len(view))
        if first < last:
            found.append(view[first:last])
        at += len(view)
        if at >= end:
            break
    return found


class Views(Payload):
    """Can be written again. `moved` is called whenever some of it went out, and `sent` when all of it did."""

    def __init__(self, views: Sequence[memoryview], moved: Callable[[], None], sent: Callable[[], None]) -> None:
        super().__init__(views, content_type="application/octet-stream")
        self._views = views
        self._size = sum(map(len, views))
        self._moved = moved
        self._sent = sent

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("these are bytes")

    async def write(self, writer: AbstractStreamWriter) -> None:
        small = bytearray()
        for view in self._views:
            # Many small buffers cost less together.
            if len(small) + len(view) <= _WRITE:
                small += view
                continue
            if small:
                await self._pass(writer, bytes(small))
                small.clear()
            for begin in range(0, len(view), _WRITE):
                await self._pass(writer, view[begin : begin + _WRITE])
        if small:
            await self._pass(writer, bytes(small))
        self._sent()

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        assert content_length in (None, self._size)
        await self.write(writer)

    async def _pass(self, writer: AbstractStreamWriter, data: bytes | memoryview) -> None:
        await writer.write(data)
        self._moved()
