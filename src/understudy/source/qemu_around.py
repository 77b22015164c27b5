"""What is put around the instant of a freeze: a guest's file systems frozen, machines of a group waiting for each other."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from understudy.qemu.lifeline import Lifeline
from understudy.qemu.session import QmpSession
from understudy.source.protocol import Wish


@dataclass(slots=True)
class Moment:
    """One freeze, prepared, just before its instant. Whoever is put around it may say what consistency it gave."""

    session: QmpSession
    line: Lifeline
    wish: Wish
    point: str
    consistency: str = "crash"
    downgrade: str = ""
    paused: float = 0.0
    """Seconds for which the VM stood still."""
    quiesced: float = 0.0
    """Seconds for which the guest's file systems were frozen."""


Around = Callable[[Moment], AbstractAsyncContextManager[None]]
"""Entered when everything is prepared, left right after the instant, or with what made that fail. What it raises fails the freeze."""


@asynccontextmanager
async def entered(around: Sequence[Around], moment: Moment) -> AsyncIterator[None]:
    """All of them, the first outermost."""
    async with AsyncExitStack() as stack:
        for context in around:
            await stack.enter_async_context(context(moment))
        yield
