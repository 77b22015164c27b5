"""The event loop's own health: how late it is, and whether the wall clock was set."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from understudy.daemon.notify import Notifier
from understudy.jobs.journal import Journal

BEAT = 0.5
MINUTE = 60.0
LAG_TOLD = 2.0
JUMP = 30.0
"""Seconds by which the wall clock leaves the monotonic one at once: somebody set it. Slewing is much slower."""


class Pulse:
    """`calm`: the wall clock was not set in the last hour, so what is decided by it may be."""

    def __init__(self, notifier: Notifier, journal: Journal, look: Callable[[], None]) -> None:
        """`look` is called once a second."""
        self._notifier = notifier
        self._journal = journal
        self._look = look
        self._lags: deque[tuple[float, float]] = deque()
        self._offset = time.time() - time.monotonic()
        self._jumped = -3600.0

    @property
    def lag(self) -> float:
        """The longest that the loop was late in the last minute, in seconds."""
        return max((lag for _, lag in self._lags), default=0.0)

    @property
    def calm(self) -> bool:
        return time.monotonic() - self._jumped >= 3600 or self._jumped < 0

    async def run(self) -> None:
        """Until cancelled. A loop that is stuck gives no sign of life."""
        fed = looked = 0.0
        while True:
            due = time.monotonic() + BEAT
            await asyncio.sleep(BEAT)
            now = time.monotonic()
            self._note(now, max(now - due, 0.0))
            if self._notifier.watchdog_seconds and now - fed >= self._notifier.watchdog_seconds / 4:
                self._notifier.alive()
                fed = now
            if now - looked >= 1.0 - BEAT / 2:
                looked = now
                self._compare_clocks(now)
                self._look()

    def _note(self, now: float, lag: float) -> None:
        self._lags.append((now, lag))
        while self._lags[0][0] < now - MINUTE:
            self._lags.popleft()
        if lag > LAG_TOLD:
            self._journal.tell("daemon.late", "warning", f"the daemon's loop was {lag:.1f} s late", data={"seconds": round(lag, 3)})

    def _compare_clocks(self, now: float) -> None:
        offset = time.time() - now
        jump, self._offset = offset - self._offset, offset
        if abs(jump) > JUMP:
            self._jumped = now
            message = f"the wall clock was set by {jump:+.0f} s: cycles go on by another clock, maintenance waits for an hour"
            self._journal.tell("daemon.clock-set", "warning", message, data={"seconds": round(jump)})
