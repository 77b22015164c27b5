"""Work that must come to its end even when its caller is cancelled."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; cancelled, wait for its end all the same, then be cancelled."""
    task = asyncio.ensure_future(work)
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


async def finish_in_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread, which cannot be stopped: what it fills or reads from must not be reused under it."""
    return await finish(asyncio.to_thread(call))
