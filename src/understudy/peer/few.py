"""Telling who does something too often. Pure."""

import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_KNOWN = 1024


class Few:
    """So many are too many, and each is forgotten at that pace: `most` within `seconds`."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._pace = most / seconds
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def are_too_many(self, who: str) -> bool:
        return self._level(who) > self._most - 1

    def count(self, who: str) -> None:
        """One more. Of very many who do it, those that were counted longest ago are forgotten."""
        self._levels[who] = (self._level(who) + 1, self._clock())
        self._levels.move_to_end(who)
        while len(self._levels) > _MOST_KNOWN:
            self._levels.popitem(last=False)

    def _level(self, who: str) -> float:
        level, at = self._levels.get(who, (0.0, 0.0))
        return max(0.0, level - (self._clock() - at) * self._pace)
