"""Says, once, that a store is waited for, when that has become long: a person who looks on must not take it for work."""

import asyncio
import logging

LOG = logging.getLogger(__name__)
"""At the level INFO; who has ways of its own to tell of a store that is away need not heed it."""
LONG = 2.0
"""Seconds without any answer."""


class Waiting:
    """For one store, and one loop. `name`: the store's, for people."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._why = ""
        self._told = False
        self._takes_nothing = False
        self._timer: asyncio.TimerHandle | None = None

    def begun(self) -> None:
        """Something is asked whose answer takes no time by itself."""
        if self._timer is None and not self._told:
            self._timer = asyncio.get_running_loop().call_later(LONG, self._tell)

    def failed(self, why: str, *, writing: bool = False) -> None:
        """It did not answer, or took nothing, and is or may be asked again."""
        self._why = why
        self._takes_nothing = self._takes_nothing or writing
        self.begun()

    def answered(self, *, wrote: bool = False) -> None:
        """Whatever it said. What can be read in a place that is full is no news of it."""
        self.ended()
        if self._told and self._takes_nothing and not wrote:
            return
        if self._told:
            LOG.info("%s answers again", self._name)
        self._why, self._told, self._takes_nothing = "", False, False

    def ended(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        self._timer, self._told = None, True
        LOG.info("waiting for %s: %s", self._name, self._why or "no answer yet")
