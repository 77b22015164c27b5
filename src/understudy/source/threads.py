"""Blocking calls that fill a caller's buffer."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def finish_in_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread. Cancelled, wait for its end all the same: a thread cannot be stopped, and what it fills or reads from
    must not be reused under it."""
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()
        raise
