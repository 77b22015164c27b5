"""How concurrent work ends: to its end even when whoever asked for it is cancelled, and with the failure that began it."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import TypeVar

T = TypeVar("T")


async def finish(work: Awaitable[T]) -> T:
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


async def finish_in_thread(call: Callable[[], T], threads: Executor | None = None) -> T:
    """Run `call` in a thread, which cannot be stopped: what it reads or writes must not be reused, and no lock let go, before its end."""
    return await finish(asyncio.get_running_loop().run_in_executor(threads, call))


def first_failure(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The failure for which a task group cancelled all others."""
    leaf: BaseException = group
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf
