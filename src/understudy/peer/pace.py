"""How slowly a peer may send, or take, what it has begun to."""

import asyncio

SLOWEST = 1024
"""Bytes a second, from the first to the last of one request."""


class Pace:
    """Of one request: nothing may move for `stall` seconds, and no fewer bytes than there must be on the whole."""

    def __init__(self, stall: float) -> None:
        self._stall = stall
        self._began = asyncio.get_running_loop().time()
        self._moved = 0

    def next(self) -> asyncio.Timeout:
        """Until then the next bytes must have moved."""
        now = asyncio.get_running_loop().time()
        return asyncio.timeout_at(self._stall + min(now, self._began + self._moved / SLOWEST))

    def moved(self, size: int) -> None:
        self._moved += size
