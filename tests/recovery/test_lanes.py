"""Pieces of work at once, bounded by their number and their weight."""

import asyncio

import pytest

from understudy.errors import IntegrityError
from understudy.recovery.lanes import each, spread


async def most(weights: list[int], width: int, limit: int) -> tuple[int, int]:
    """The most pieces, and the most weight, that were under way at once."""
    now: list[int] = []
    seen = [(0, 0)]

    async def work(weight: int) -> None:
        now.append(weight)
        seen.append((len(now), sum(now)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now.remove(weight)

    await asyncio.wait_for(spread(each(weights), work, width, lambda weight: weight, limit), 10)
    assert not now
    return max(count for count, _ in seen), max(weight for _, weight in seen)


@pytest.mark.parametrize(
    ("weights", "width", "limit", "expected"),
    [
        ([1] * 20, 5, 100, (5, 5)),
        ([4] * 20, 5, 9, (2, 8)),
        ([4] * 20, 5, 3, (1, 4)),
        ([50, 1, 1, 1, 50, 50], 5, 10, (3, 50)),
        ([0] * 10, 3, 1, (3, 0)),
    ],
)
async def test_bounds(weights: list[int], width: int, limit: int, expected: tuple[int, int]) -> None:
    assert await most(weights, width, limit) == expected


async def test_the_first_failure_ends_all_of_it() -> None:
    async def work(number: int) -> None:
        if number == 2:
            raise IntegrityError("the third")
        await asyncio.Event().wait()

    with pytest.raises(IntegrityError, match="the third"):
        await asyncio.wait_for(spread(each(range(9)), work, 3, lambda _: 2, 6), 10)
