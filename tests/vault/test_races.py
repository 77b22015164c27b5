"""Real processes on one machine's log."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.faults import FaultyStore
from tests.forks import start
from tests.vault.workers import acknowledged, race_for_points, race_holds
from tests.vault.worlds import QUICK, UNLOCK
from understudy.vault import kinds
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault


def points_of(state: MachineState) -> list[str]:
    return [entry.point.id.decode() for entry in state.points]


@pytest.mark.parametrize("same_host", [True, False])
async def test_two_writers_and_an_operator(vault: Vault, store: FaultyStore, tmp_path: Path, same_host: bool) -> None:
    log = await vault.protect("web", "site-a")
    processes = [
        start(race_for_points, tmp_path, "a", "a", log.machine_id, 6, 5),
        start(race_for_points, tmp_path, "a" if same_host else "b", "b", log.machine_id, 6, 5),
        start(race_holds, tmp_path, "a" if same_host else "h", log.machine_id, 15),
    ]
    for process in processes:
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode == 0
    await log.refresh()
    state = log.state
    assert sorted(points_of(state)) == sorted(acknowledged(tmp_path, "a") + acknowledged(tmp_path, "b"))
    assert state.void == ()
    assert len(state.holds) == 15
    # Never interleaved: after one claim, until the next, only one of them has appended points.
    ends = [*(claim.seq for claim in state.claims[1:]), log.head.seq + 1]
    for claim, end in zip(state.claims, ends, strict=True):
        assert len({entry.point.id[:1] for entry in state.points if claim.seq < entry.seq < end}) <= 1
    stranger = await Vault.open(store, UNLOCK, None, patience=QUICK)
    assert (await stranger.find("web")).state == state


def wait_for_points(root: Path, who: str, count: int) -> None:
    until = time.monotonic() + 60
    while len(acknowledged(root, who)) < count:
        assert time.monotonic() < until
        time.sleep(0.01)


async def test_a_failover_among_writers(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    log = await vault.protect("web", "site-a")
    writers = [start(race_for_points, tmp_path, who, who, log.machine_id, 1000, 3) for who in ("a", "b")]
    for who in ("a", "b"):
        await asyncio.to_thread(wait_for_points, tmp_path, who, 3)
    record = await log.append(kinds.Failover(epoch=2, site="site-b"))
    for writer in writers:
        await asyncio.to_thread(writer.join, 60)
        assert writer.exitcode == 0
    assert acknowledged(tmp_path, "a-fenced")
    assert acknowledged(tmp_path, "b-fenced")
    await log.refresh()
    assert sorted(points_of(log.state)) == sorted(acknowledged(tmp_path, "a") + acknowledged(tmp_path, "b"))
    assert all(entry.seq < record.seq for entry in log.state.points)
    assert log.head.seq == record.seq
    assert log.state.void == ()
