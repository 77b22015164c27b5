"""A second vault in a bucket, in a container, and at another site: cut off in the middle of being copied, brought on, and promoted."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_hex

import numpy as np
import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.local.ruins import Ruins
from tests.peer.pair import served
from understudy import engine
from understudy.app import open_engine, parts
from understudy.engine import PeerLimits, promotion
from understudy.errors import StoreUnavailable
from understudy.local.engine import LocalEngine
from understudy.vault.copy.copier import Copier
from understudy.vault.log.patience import Patience


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, call, lambda fd: None)  # no power fails here


@pytest.fixture(params=["s3", "az", "peer"])
async def second(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty place."""
    async with AsyncExitStack() as stack:
        if request.param == "peer":
            site = await stack.enter_async_context(served(tmp_path / "there"))
            await site.joined("peer", PeerLimits(prefix="copies"))
            yield f"understudy://127.0.0.1:{site.port}?credentials={site.credential('peer')}"
        else:
            yield request.getfixturevalue(request.param).address("copies", tmp_path, token_hex(8))


async def test_it_is_brought_on_where_it_was_cut_off_and_becomes_the_vault(
    second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruins = Ruins(tmp_path, np.random.default_rng(7))
    await ruins.create()
    await ruins.protect("web", 200_000)
    await ruins.cycles("web", 2, 4)
    async with ruins.engine() as operator:
        await operator.create_second(engine.CreateSecond(url=second))
        vault = await operator._opened()
        (log,) = await vault.logs()
        store = FaultyStore(parts(tmp_path / "state").open_store(second))
        store.plan(Fault(Action.FAIL_AFTER, "create", skip=1, times=1), Fault(Action.FAIL_BEFORE, "create", skip=2, times=-1))
        with monkeypatch.context() as hasty:
            hasty.setattr(Patience, "waits", lambda self: iter(()))
            with pytest.raises(StoreUnavailable):
                await Copier(vault, store).machine(log)
        await store.close()
        await operator.bring_second(engine.BringSecond(url=second), lambda _: None)
        await ruins.cycles("web", 1, 4)
        (brought,) = (await operator.bring_second(engine.BringSecond(url=second), lambda _: None)).machines
        assert (brought.points, brought.behind) == (3, 0)
        assert (await operator.verify_second(second, lambda _: None)).damage == ()
        done = await operator.promote_second(promotion.PromoteSecond(url=second))
        assert done.told == ""
    ((machine, points),) = ruins.held.items()
    connection = engine.Connection(
        vault=second, state_dir=str(tmp_path / "state"), site="here", credential=engine.KeyFile(path=str(ruins.key("operator")))
    )
    async with open_engine(connection) as opened:
        assert isinstance(opened, LocalEngine)
        assert (await opened.vault()).place.kind == "promoted"
        for point in points:
            assert await ruins.restored(opened, machine, point)
        await opened.set_retention(engine.SetRetention(machine="web", policy=engine.Policy(daily=7)))
