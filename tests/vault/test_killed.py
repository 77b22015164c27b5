"""kill -9 at every step of an append: what was acknowledged is there, nothing is there twice, and the next run goes on."""

import asyncio
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.faults import FaultyStore
from tests.forks import start
from tests.vault.workers import acknowledged, die_at_creation, die_before_durable_step, opened
from tests.vault.worlds import QUICK, UNLOCK
from understudy.vault.vault import Vault

COUNT = 1


@pytest.mark.parametrize(
    "begin",
    [
        lambda step, *args: start(die_before_durable_step, step, *args),
        lambda step, *args: start(die_at_creation, step, False, *args),
        lambda step, *args: start(die_at_creation, step, True, *args),
    ],
    ids=["before a durable step", "before a creation", "after a creation"],
)
async def test_killed_at_every_step(vault: Vault, store: FaultyStore, tmp_path: Path, begin: Callable[..., BaseProcess]) -> None:
    log = await vault.protect("web", "site-a")
    for step in range(1, 100):
        first = step * COUNT
        process = begin(step, tmp_path, log.machine_id, first, COUNT)
        await asyncio.to_thread(process.join, 60)
        assert process.exitcode in (0, -9)
        # As the next daemon on this host does.
        next_ = await opened(tmp_path, "state")
        after = await next_.find("web")
        await after.settle()
        await next_.close()
        assert not after.in_doubt
        assert after.state.void == ()
        found = [int.from_bytes(entry.point.id, "big") for entry in after.state.points]
        said = [int(number) for number in acknowledged(tmp_path, "state")]
        assert found == sorted(set(found))
        assert set(said) <= set(found)
        # At most the one that was under way is there without having been acknowledged.
        assert sum(number >= first for number in found) <= sum(number >= first for number in said) + 1
        if process.exitcode == 0:
            break
    assert process.exitcode == 0
    assert said[-1] == first
    stranger = await Vault.open(store, UNLOCK, None, patience=QUICK)
    await log.refresh()
    assert (await stranger.find("web")).state == log.state
