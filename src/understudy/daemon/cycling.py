"""One cycle of a follower: to its end, and whether the next one may follow it at once."""

import asyncio

from understudy.engine import Cycle
from understudy.errors import Busy, SourceBusy, StoreUnavailable, UnderstudyError


def may_go_on(error: UnderstudyError) -> bool:
    """After these the machine stays open. A store that is gone may be another one when it comes back."""
    return (error.retryable and not isinstance(error, Busy | StoreUnavailable)) or isinstance(error, SourceBusy)


async def to_its_end(task: "asyncio.Task[Cycle]") -> Cycle:
    """Await `task`; cancelled, cancel it and wait until it has cleaned up."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        raise
