"""One bounded budget of memory for what peers send and fetch, of which each has its part whenever it comes."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from understudy.errors import StoreRefused, StoreUnavailable

PATIENCE = 20.0
"""Seconds for which a request waits for memory before its peer is told to come again."""
GRACE = 3.0
"""Seconds after which one that waits for no more than its part has it, at the cost of who has more, and has had it for as long."""


class Hold:
    """Memory that a peer has. `moved`: bytes of it that came or went so far; `give_up`: frees it at once, and None while nothing may."""

    def __init__(self, peer: str, size: int) -> None:
        self.peer = peer
        self.size = size
        self.since = time.monotonic()
        self.moved = 0
        self.give_up: Callable[[], None] | None = None

    def speed(self, now: float) -> float:
        """Bytes a second."""
        return self.moved / max(now - self.since, 1e-3)


class _Waiting:
    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Memory:
    """`total` bytes, of which `share` for one peer at most.

    A peer's part is what each would have if all that have or want some had as much. Who wants no more than that is served before who
    has more already; of those that are alike, who came first.
    """

    def __init__(self, total: int, share: int, patience: float = PATIENCE, grace: float = GRACE) -> None:
        self.total = total
        self.share = share
        self._patience = patience
        self._grace = grace
        self._taken: Counter[str] = Counter()
        self._holds: dict[Hold, None] = {}
        self._waiting: list[_Waiting] = []

    def taken(self, peer: str | None = None) -> int:
        return self._taken.total() if peer is None else self._taken[peer]

    async def take(self, peer: str, size: int, gone: Callable[[], bool] = lambda: False) -> Hold:
        """When there is room. `StoreUnavailable` if there is none in time; `StoreRefused` for more than there could ever be;
        `ConnectionResetError` if whoever it is for is `gone`."""
        if size > self.share:
            raise StoreRefused(
                f"{size} bytes at once are more than this site takes of one peer: {self.share}",
                hint="`memory` in [peers] there is for all; half of it is one peer's share",
            )
        waiting = _Waiting(Hold(peer, size))
        self._waiting.append(waiting)
        self._pump()
        try:
            async with asyncio.timeout(self._patience):
                while not gone():
                    if waiting.granted.done():
                        return waiting.hold
                    await asyncio.wait([waiting.granted], timeout=self._grace)
                    if not gone():
                        self._press(waiting)
                raise ConnectionResetError
        except BaseException as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
                self._pump()
            else:
                self.give_back(waiting.hold)
            if isinstance(error, TimeoutError):
                raise StoreUnavailable(
                    "this site is busy: the memory for what its peers send is in use",
                    hint="it is tried again; `memory` in [peers] there says how much it has",
                ) from None
            raise

    def give_back(self, hold: Hold) -> None:
        """Nothing if it was before."""
        if hold not in self._holds:
            return
        del self._holds[hold]
        self._taken[hold.peer] -= hold.size
        if not self._taken[hold.peer]:
            del self._taken[hold.peer]
        self._pump()

    @asynccontextmanager
    async def held(self, peer: str, size: int, gone: Callable[[], bool] = lambda: False) -> AsyncIterator[Hold]:
        hold = await self.take(peer, size, gone)
        try:
            yield hold
        finally:
            self.give_back(hold)

    def _part(self) -> int:
        return self.total // max(1, len(self._taken.keys() | {waiting.hold.peer for waiting in self._waiting}))

    def _is_due(self, hold: Hold, part: int) -> bool:
        """One that is larger than a part is due, too, to who has nothing else."""
        return not self._taken[hold.peer] or self._taken[hold.peer] + hold.size <= part

    def _pump(self) -> None:
        """Grant what fits. The first one that does not, though it is within its peer's share, keeps back all behind it."""
        held_up: set[str] = set()
        part = self._part()
        for waiting in sorted(self._waiting, key=lambda waiting: not self._is_due(waiting.hold, part)):
            hold = waiting.hold
            if hold.peer in held_up or self._taken[hold.peer] + hold.size > self.share:
                held_up.add(hold.peer)
                continue
            if self.taken() + hold.size > self.total:
                break
            self._waiting.remove(waiting)
            self._taken[hold.peer] += hold.size
            hold.since = time.monotonic()
            self._holds[hold] = None
            waiting.granted.set_result(None)

    def _press(self, waiting: _Waiting) -> None:
        """Take what one that waits is due from who has more than a part: first what moves slowest."""
        part, now = self._part(), time.monotonic()
        if waiting not in self._waiting or not self._is_due(waiting.hold, part):
            return
        missing = self.taken() + waiting.hold.size - self.total
        left = self._taken.copy()
        for hold in sorted(self._holds, key=lambda hold: hold.speed(now)):
            if missing <= 0:
                break
            if hold.give_up is not None and hold.peer != waiting.hold.peer and left[hold.peer] > part and now - hold.since >= self._grace:
                missing -= hold.size
                left[hold.peer] -= hold.size
                hold.give_up()
