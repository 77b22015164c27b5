"""Rate limits: packs wait until their machine's bucket and the host's let them go."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from understudy.engine import ReplicationPolicy
from understudy.scheduler.bucket import Bucket
from understudy.scheduler.windows import rate_at
from understudy.vault import names

STEP = 1.0
"""Seconds after which a waiting sender looks whether its rate changed."""


class Pacing:
    """`policy_of` knows a followed machine's policy by its id, and None of others. `host` is the host's own rate, 0: none."""

    def __init__(
        self,
        policy_of: Callable[[str], ReplicationPolicy | None],
        host: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        local: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._policy_of = policy_of
        self._host = host
        self._clock = clock
        self._local = local
        self._buckets: dict[str, tuple[Bucket, int]] = {}

    async def __call__(self, name: str, size: int) -> None:
        """Returns when the object may be sent. Records never wait: they are small, and what holds them up is not bandwidth."""
        machine, _, below = name.removeprefix(names.MACHINES).partition("/")
        if not below.startswith("packs/"):
            return
        while True:
            due = [(key, rate) for key, rate in (("", self._host()), (machine, self._rate(machine))) if rate]
            wait = max((self._bucket(key, rate).wait(self._clock()) for key, rate in due), default=0.0)
            if not wait:
                break
            await asyncio.sleep(min(wait, STEP))
        for key, rate in due:
            self._bucket(key, rate).take(size, rate, self._clock())

    def _rate(self, machine: str) -> int:
        """0: none. A closed window stops cycles before and on their way; what is sent all the same is not held up for hours."""
        policy = self._policy_of(machine)
        return 0 if policy is None else rate_at(policy, self._local()) or policy.rate

    def _bucket(self, key: str, rate: int) -> Bucket:
        bucket, before = self._buckets.get(key) or (Bucket(self._clock()), rate)
        if before != rate:
            bucket.slow_down(before, rate, self._clock())
        self._buckets[key] = bucket, rate
        return bucket
