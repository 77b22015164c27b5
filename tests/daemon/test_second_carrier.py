"""Which machines' copies are verified, whatever copying says, and which of two stores is said to be away."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.local.ruins import Ruins
from tests.waiting import until
from understudy.daemon.second_carrier import Carried, SecondCarrier, provable
from understudy.daemon.track import failure_of
from understudy.engine import ReplicationPolicy
from understudy.errors import Conflict, Diverged, IntegrityError, NotFound, StoreUnavailable, UnderstudyError
from understudy.jobs.journal import Journal
from understudy.store.file import FileStore
from understudy.vault.copy.copier import Copier, Reached
from understudy.vault.copy.place import begin_copy, finish_copy
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.patience import Patience
from understudy.vault.vault import Vault


@pytest.mark.parametrize(
    ("failure", "head", "expected"),
    [
        (None, None, False),
        (None, 0, False),
        (None, 7, True),
        (IntegrityError("damaged"), None, True),
        (IntegrityError("damaged"), 7, True),
        (NotFound("a side object is missing"), 7, True),
        (Diverged("promoted"), 7, False),
        (Conflict("another vault's"), 7, False),
        (StoreUnavailable("away"), 7, False),
    ],
)
def test_what_copying_trips_over_is_verified_and_what_may_be_no_copy_is_not(
    failure: UnderstudyError | None, head: int | None, expected: bool
) -> None:
    carried = Carried(ReplicationPolicy(), 0.0)
    carried.failure = failure_of(failure) if failure is not None else None
    carried.reached = Reached(head, None, 0, None) if head is not None else None
    assert provable(carried) is expected


@pytest.mark.parametrize("replicates", [False, True], ids=["looked at", "replicated here"])
async def test_a_vault_that_is_away_is_no_fault_of_its_copys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replicates: bool) -> None:
    monkeypatch.setattr("understudy.daemon.second_carrier.POLL", 0.01)
    monkeypatch.setattr("understudy.scheduler.retry.LONGEST", 0.01)
    monkeypatch.setattr("understudy.vault.copy.ferry._PATIENCE", Patience(1))
    ruins = Ruins(tmp_path, np.random.default_rng(3))
    await ruins.create()
    await ruins.protect("web", 60_000)
    await ruins.cycles("web", 1, 1)
    store, second = FaultyStore(FileStore(ruins.vault)), FaultyStore(FileStore(tmp_path / "second", make=True))
    vault = await Vault.open(store, ruins.unlock("operator"), None)
    (log,) = await vault.logs()
    await begin_copy(vault, second)
    copier = Copier(vault, second)
    await copier.settings(slots=False)
    await finish_copy(vault, copier.ferry)

    async def watched(_: str) -> tuple[Vault, MachineLog]:
        await log.refresh()
        return vault, log

    engine = SimpleNamespace(at_hand=lambda _: (vault, log) if replicates else None, watched=watched)
    policies = {log.machine_id: ReplicationPolicy(verify_every=0.0)}
    journal = Journal(tmp_path / "jobs")
    await journal.open()
    carrier = SecondCarrier(
        "the copy",
        engine,  # type: ignore[arg-type]
        lambda _: FaultyStore(FileStore(tmp_path / "second"), second.schedule),
        lambda _: policies,
        lambda: 3600.0,
        journal,
    )

    def failure() -> str:
        facts = carrier.facts(log.machine_id)
        return facts.failure.message if facts is not None and facts.failure is not None else ""

    store.plan(Fault(Action.FAIL_BEFORE, "*", times=-1))
    running = asyncio.create_task(carrier.run())
    await until(lambda: len(store.calls) > 9)
    assert failure() == ""
    store.plan()
    second.schedule.append(Fault(Action.FAIL_BEFORE, "*", times=-1))
    await until(failure)
    second.schedule.clear()
    await until(lambda: not failure() and carrier.facts(log.machine_id).second.behind == 0)  # type: ignore[union-attr]
    running.cancel()
    await asyncio.wait([running])
    for each in (journal, vault, second):
        await each.close()
