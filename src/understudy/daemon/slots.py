"""Cycles wait here for their turn."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from understudy.config.values import Limits
from understudy.scheduler.slots import Ready, Running, choose


class Slots:
    """`limits` may be exchanged at any time; what runs goes on."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._waiting: dict[str, tuple[Ready, asyncio.Future[None]]] = {}
        self._running: dict[str, Running] = {}

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    @asynccontextmanager
    async def turn(self, ready: Ready) -> AsyncIterator[None]:
        """Entered when the machine may begin. One turn of a machine at a time."""
        assert ready.machine not in self._waiting
        assert ready.machine not in self._running, f"two cycles of {ready.machine}"
        granted = asyncio.get_running_loop().create_future()
        self._waiting[ready.machine] = ready, granted
        self.pump()
        try:
            await granted
            yield
        finally:
            self._waiting.pop(ready.machine, None)
            self._running.pop(ready.machine, None)
            self.pump()

    def pump(self) -> None:
        """Let begin whoever may, now. To be called now and then: with time a running cycle counts as a slow one."""
        now = self._clock()
        ready = [ready for ready, _ in self._waiting.values()]
        for one in choose(ready, list(self._running.values()), now, self.limits.cycles, self.limits.memory):
            _, granted = self._waiting.pop(one.machine)
            if not granted.done():
                self._running[one.machine] = Running(one.machine, now, one.slow, one.weight)
                granted.set_result(None)
