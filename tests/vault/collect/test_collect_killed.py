"""A collection that ends at any of its writes or deletions, in whatever way, has harmed nothing, and the next one goes on."""

import signal
from pathlib import Path

import numpy as np
import pytest

from tests.faults import Action, Fault
from tests.forks import ended
from tests.vault.collect import killed_child
from tests.vault.collect.stage import Stage
from understudy.errors import InDoubt, StoreUnavailable
from understudy.vault.log.patience import Patience


async def sparse(stage: Stage) -> None:
    """A few points more, and most of the older ones dropped."""
    await stage.cycles(3, writes=14)
    kept = await stage.kept()
    await stage.prune([point for point in kept[:-1] if stage.rng.random() < 0.7])


async def test_failed_at_every_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Patience, "waits", lambda patience: iter([0.0] * (patience.attempts - 1)))
    stage = await Stage.begin(tmp_path, np.random.default_rng(3))
    step, failed = 0, True
    while failed or step < 10:
        await sparse(stage)
        action = Action.FAIL_AFTER if step % 2 else Action.FAIL_BEFORE
        try:
            # Both count for themselves, so that with every round each goes one further.
            await stage.collect(schedule=[Fault(action, "create", skip=step, times=-1), Fault(action, "delete", skip=step // 2, times=-1)])
            failed = False
        except (StoreUnavailable, InDoubt):
            await stage.check()
        step += 1
    assert step > 12
    await stage.check()
    await stage.collect()
    await stage.check()


async def test_killed_at_its_writes(tmp_path: Path) -> None:
    stage = await Stage.begin(tmp_path, np.random.default_rng(4))
    for step in (0, 5, 6):
        await sparse(stage)
        code = await ended(killed_child.run, tmp_path, step, Action.DIE_AFTER if step % 2 else Action.DIE_BEFORE)
        assert code == -signal.SIGKILL
        await stage.check()
        await stage.cycles(1)
        await stage.check()
    await stage.collect()
    await stage.cycles(1)
    await stage.collect()
    await stage.check()
