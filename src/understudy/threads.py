"""Blocking work beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


async def finish(work: Callable[[], T], threads: Executor | None = None) -> T:
    """Do `work` in a thread. A caller that is cancelled waits for its end all the same, and is cancelled then.

    A thread cannot be stopped: whatever it still reads or writes must not be reused, and no lock let go, before it is done.
    """
    future = asyncio.get_running_loop().run_in_executor(threads, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        if not future.cancelled():
            future.exception()
        raise
