"""Rates of a machine and of the host hold beside each other, for packs alone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from understudy.daemon import pacing
from understudy.daemon.pacing import Pacing
from understudy.engine import ReplicationPolicy, Window

MIB = 1 << 20
NOON = datetime(2026, 3, 2, 12)


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(pacing.asyncio, "sleep", time.sleep)
    return time


async def seconds(time: Time, count: int, send: Callable[[], Awaitable[None]]) -> float:
    began = time.now
    for _ in range(count):
        await send()
    return time.now - began


@pytest.mark.parametrize(
    ("policy", "host", "expected"),
    [
        (ReplicationPolicy(), 0, 0),
        (ReplicationPolicy(rate=MIB), 0, 20),
        (ReplicationPolicy(), 2 * MIB, 10),
        (ReplicationPolicy(rate=4 * MIB), 2 * MIB, 10),
        (ReplicationPolicy(rate=MIB), 2 * MIB, 20),
        (ReplicationPolicy(rate=4 * MIB, windows=(Window(begin="08:00", end="18:00", rate=MIB),)), 0, 20),
        (ReplicationPolicy(rate=4 * MIB, windows=(Window(begin="18:00", end="08:00", rate=MIB),)), 0, 5),
    ],
)
async def test_packs_go_at_the_lowest_rate(time: Time, policy: ReplicationPolicy, host: int, expected: float) -> None:
    limit = Pacing(lambda machine: policy if machine == "m" else None, lambda: host, lambda: time.now, lambda: NOON)
    took = await seconds(time, 21, lambda: limit("machines/m/packs/x", MIB))
    assert took == pytest.approx(expected, abs=0.5)
    assert await seconds(time, 100, lambda: limit("machines/m/log/0000000000000001", MIB)) == 0, "records do not wait"


async def test_a_rate_that_is_raised_holds_at_once(time: Time) -> None:
    policies = {"m": ReplicationPolicy(rate=MIB)}
    limit = Pacing(policies.get, lambda: 0, lambda: time.now, lambda: NOON)
    await limit("machines/m/packs/x", 100 * MIB)
    policies["m"] = ReplicationPolicy(rate=100 * MIB)
    assert await seconds(time, 1, lambda: limit("machines/m/packs/x", MIB)) == pytest.approx(1, abs=0.5)
    policies["m"] = ReplicationPolicy()
    assert await seconds(time, 9, lambda: limit("machines/m/packs/x", MIB)) == 0


async def test_other_machines_do_not_wait_for_one_with_a_rate(time: Time) -> None:
    policies = {"slow": ReplicationPolicy(rate=1)}
    limit = Pacing(policies.get, lambda: 0, lambda: time.now, lambda: NOON)
    await limit("machines/slow/packs/x", MIB)
    assert await seconds(time, 9, lambda: limit("machines/fast/packs/x", MIB)) == 0
