"""A token bucket that lets a sender into debt: one object goes as a whole, and the next one waits for it."""

BURST = 0.25
"""Seconds' worth that may be saved up."""


class Bucket:
    """Times are seconds of a monotonic clock; rates bytes a second."""

    def __init__(self, now: float) -> None:
        self._free_at = now

    def take(self, size: int, rate: int, now: float) -> None:
        """`size` bytes are sent at `rate` from now on."""
        self._free_at = max(self._free_at, now - BURST) + size / rate

    def wait(self, now: float) -> float:
        """Seconds until the next object may be sent; 0: now."""
        return max(self._free_at - now, 0.0)

    def slow_down(self, before: int, after: int, now: float) -> None:
        """The rate changed: what is owed is owed at the new one."""
        self._free_at = now + self.wait(now) * before / after
