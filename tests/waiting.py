"""For what comes by itself, soon."""

import asyncio
from collections.abc import Callable

PATIENCE = 60.0


async def until(true: Callable[[], object]) -> None:
    """`TimeoutError` if it does not come true within a minute."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
