"""Several reads at once, in bounded number."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from understudy.finish import first_failure

T = TypeVar("T")
R = TypeVar("R")


async def each(limit: int, work: Callable[[T], Coroutine[Any, Any, R]], items: Sequence[T]) -> list[R]:
    """work(item) for all items, `limit` at a time; results in the items' order. The first failure stops the rest and is raised as it is."""
    results: dict[int, R] = {}
    pending = iter(enumerate(items))

    async def lane() -> None:
        for i, item in pending:
            results[i] = await work(item)

    try:
        async with asyncio.TaskGroup() as lanes:
            for _ in range(min(limit, len(items))):
                lanes.create_task(lane())
    except BaseExceptionGroup as group:
        raise first_failure(group) from None
    return [results[i] for i in range(len(items))]


async def both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, R]) -> tuple[T, R]:
    """The results of the two, which run at once. The first failure stops the other and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as running:
            first, second = running.create_task(one), running.create_task(other)
    except BaseExceptionGroup as group:
        raise first_failure(group) from None
    return first.result(), second.result()
