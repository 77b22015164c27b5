"""Several pieces of work under way at once, a bounded number of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

from understudy.finish import first_failure

T = TypeVar("T")


async def each(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """What is at hand already, for `spread`."""
    for item in items:
        yield item


async def spread(items: AsyncIterator[T], work: Callable[[T], Awaitable[None]], width: int) -> None:
    """Await work(item) for every item, at most `width` at once. The first failure stops the rest and is raised as it is."""
    slots = asyncio.Semaphore(width)

    async def one(item: T) -> None:
        try:
            await work(item)
        finally:
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for item in items:
                await slots.acquire()
                group.create_task(one(item))
    except BaseExceptionGroup as failures:
        raise first_failure(failures) from None
