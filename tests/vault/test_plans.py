"""Recovery plans and reports in the settings log: an operator's alone, read by all, and no burden to who does not know them."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults import Action, Fault, FaultyStore
from tests.vault.golden_plans import REPORT, RUN, TEXT
from tests.vault.golden_plans import make as make_golden
from tests.vault.worlds import QUICK, UNLOCK
from understudy.errors import AccessDenied, InDoubt, IntegrityError, NotFound, StoreRefused, StoreUnavailable
from understudy.store.file import FileStore
from understudy.vault import kinds, names
from understudy.vault.keys.unlock import KeyFile
from understudy.vault.log import record
from understudy.vault.vault import Vault

GOLDEN = Path(__file__).parents[1] / "golden" / "plans"
SOURCE_KEY = KeyFile(b"s" * 32)


async def says_what_it_should(vault: Vault) -> None:
    (plan,) = await vault.plans.plans()
    assert isinstance(plan.body, kinds.Plan)
    assert (plan.body.name, plan.seq, plan.by, await vault.plans.text(plan)) == ("dr", 4, "chief", TEXT)
    (report,) = await vault.plans.reports()
    assert isinstance(report.body, kinds.PlanReport)
    assert (report.body.run, report.body.plan, report.body.outcome, await vault.plans.report(RUN)) == (RUN, "dr", "succeeded", REPORT)
    assert vault.settings.void == ()
    with pytest.raises(NotFound):
        await vault.plans.plan("gone")
    with pytest.raises(NotFound):
        await vault.plans.report("another")


async def test_the_golden_plans() -> None:
    vault = await Vault.open(FileStore(GOLDEN), UNLOCK, None)
    assert vault.id == "badc6a9e5acaa2d79ed94868562a7536"
    await says_what_it_should(vault)
    await vault.close()


async def test_a_vault_made_today_says_the_same(tmp_path: Path) -> None:
    await make_golden(tmp_path / "vault")
    vault = await Vault.open(FileStore(tmp_path / "vault"), UNLOCK, None)
    await says_what_it_should(vault)
    await vault.close()


async def test_who_does_not_know_them_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("plan", "plan-report"):
        monkeypatch.delitem(record._bodies, kind)
    vault = await Vault.open(FileStore(GOLDEN), UNLOCK, None)
    assert (vault.settings.void, vault.settings.plans, len(vault.settings.members)) == ((), {}, 1)
    await vault.close()


async def test_a_source_reads_and_sets_nothing(vault: Vault, store: FaultyStore, tmp_path: Path) -> None:
    await vault.keys.add("source", "host-a", SOURCE_KEY)
    await vault.plans.set("dr", TEXT)
    source = await Vault.open(store, SOURCE_KEY, tmp_path / "source", patience=QUICK)
    before = [info.name async for info in store.list("settings/")]
    for refused in (source.plans.set("dr", b""), source.plans.remove("dr"), source.plans.keep(RUN, "dr", "failed", b"")):
        with pytest.raises(AccessDenied):
            await refused
    assert [info.name async for info in store.list("settings/")] == before
    assert await source.plans.text(await source.plans.plan("dr")) == TEXT


@pytest.mark.parametrize("skip", range(4))
@pytest.mark.parametrize("action", [Action.FAIL_BEFORE, Action.FAIL_AFTER, Action.REFUSE, Action.LATE])
async def test_a_report_is_kept_once_whatever_fails(vault: Vault, store: FaultyStore, skip: int, action: Action) -> None:
    """Each of its calls to the store, alone and for as long as it is tried."""
    for op in ("create", "get"):
        run = f"{op}{skip}"
        store.plan(Fault(action, op=op, name="settings/*", skip=skip, times=4))
        with suppress(StoreUnavailable, StoreRefused, InDoubt):
            await vault.plans.keep(run, "dr", "succeeded", REPORT)
        store.plan()
        await store.land_late()
        await vault.plans.keep(run, "dr", "succeeded", REPORT)
        assert await vault.plans.report(run) == REPORT
    assert len(await vault.plans.reports()) == 2
    assert vault.settings.void == ()


async def test_what_is_damaged_is_no_plan(vault: Vault, store: FaultyStore) -> None:
    await vault.plans.set("dr", TEXT)
    plan = await vault.plans.plan("dr")
    assert isinstance(plan.body, kinds.Plan)
    assert plan.body.text is not None
    name = names.side_object(names.SETTINGS, plan.body.text.hash.hex())
    await store.delete(name)
    with pytest.raises(IntegrityError):
        await vault.plans.text(plan)
