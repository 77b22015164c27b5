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


def weightless(_: object) -> int:
    """All that counts is their number."""
    return 0


async def spread(
    items: AsyncIterator[T], work: Callable[[T], Awaitable[None]], width: int, weigh: Callable[[T], int] = weightless, most: int = 0
) -> None:
    """Await work(item) for every item, at most `width` at once, which weigh no more than `most` together unless one alone does.

    The first failure stops the rest and is raised as it is.
    """
    slots = asyncio.Semaphore(width)
    room, freed = most, asyncio.Event()

    async def one(item: T, weight: int) -> None:
        nonlocal room
        try:
            await work(item)
        finally:
            room += weight
            freed.set()
            slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            async for item in items:
                await slots.acquire()
                weight = weigh(item)
                while weight > room < most:
                    freed.clear()
                    await freed.wait()
                room -= weight
                group.create_task(one(item, weight))
    except BaseExceptionGroup as failures:
        raise first_failure(failures) from None
