"""Recovery plans in the vault, and the reports of their runs."""

import msgspec

from understudy import engine
from understudy.engine.plan_reached import lost_entry
from understudy.engine.plan_text import plan_of
from understudy.errors import IntegrityError, InvalidRequest, Unsupported
from understudy.vault import kinds
from understudy.vault.log.settings import Kept
from understudy.vault.vault import Vault


class VaultPlans:
    """Part of an engine: what it offers of plans needs nothing but the vault. What a record refers to never changes: it is read once."""

    def __init__(self) -> None:
        self._plan_entries: dict[tuple[str, int], engine.PlanEntry] = {}
        self._run_entries: dict[tuple[str, str], engine.PlanRunEntry] = {}

    async def _opened(self) -> Vault:
        raise NotImplementedError

    async def plans(self) -> tuple[engine.PlanEntry, ...]:
        vault = await self._opened()
        found = []
        for kept in await vault.plans.plans():
            entry = self._plan_entries.get((vault.id, kept.seq)) or await _entry(vault, kept)
            if not entry.problem:
                self._plan_entries[vault.id, kept.seq] = entry
            found.append(entry)
        return tuple(found)

    async def plan(self, name: str) -> engine.ShownPlan:
        vault = await self._opened()
        return await _shown(vault, await vault.plans.plan(name))

    async def set_plan(self, request: engine.SetPlan) -> engine.ShownPlan:
        engine.checked_name("recovery plan", request.name)
        plan_of(request.text)
        vault = await self._opened()
        await vault.plans.set(request.name, request.text.encode())
        return await self.plan(request.name)

    async def remove_plan(self, name: str) -> engine.PlanEntry:
        vault = await self._opened()
        kept = await vault.plans.plan(name)
        entry = await _entry(vault, kept)
        await vault.plans.remove(name)
        return entry

    async def plan_reports(self) -> tuple[engine.PlanRunEntry, ...]:
        vault = await self._opened()
        found = []
        for kept in await vault.plans.reports():
            entry = self._run_entries.get((vault.id, _run(kept))) or await _listed(vault, kept)
            if not entry.problem:
                self._run_entries[vault.id, entry.id] = entry
            found.append(entry)
        return tuple(found)

    async def plan_report(self, run: str) -> engine.PlanRun:
        return await _report(await self._opened(), run)


async def report_kept(vault: Vault, run: engine.PlanRun) -> None:
    """The vault has this report when it returns; said again nothing happens."""
    await vault.plans.keep(run.id, run.name, run.state, msgspec.json.encode(run))


async def _shown(vault: Vault, kept: Kept) -> engine.ShownPlan:
    assert isinstance(kept.body, kinds.Plan)
    text = (await vault.plans.text(kept)).decode()
    try:
        plan = plan_of(text)
    except InvalidRequest as error:
        raise Unsupported(
            f"the recovery plan {kept.body.name!r} cannot be read by this version: {error.message}",
            hint="use a newer understudy, or set the plan anew",
        ) from None
    return engine.ShownPlan(name=kept.body.name, text=text, plan=plan, revision=kept.seq, set_at=kept.at, set_by=kept.by)


async def _entry(vault: Vault, kept: Kept) -> engine.PlanEntry:
    assert isinstance(kept.body, kinds.Plan)
    plain = engine.PlanEntry(name=kept.body.name, revision=kept.seq, set_at=kept.at, set_by=kept.by)
    try:
        plan = (await _shown(vault, kept)).plan
    except (IntegrityError, Unsupported, UnicodeDecodeError) as error:
        return msgspec.structs.replace(plain, problem=getattr(error, "message", "it is no text"))
    return msgspec.structs.replace(
        plain, description=plan.description, groups=len(plan.groups), machines=sum(len(group.machines) for group in plan.groups)
    )


def _run(kept: Kept) -> str:
    assert isinstance(kept.body, kinds.PlanReport)
    return kept.body.run


async def _report(vault: Vault, run: str) -> engine.PlanRun:
    data = await vault.plans.report(run)
    try:
        return msgspec.structs.replace(msgspec.json.decode(data, type=engine.PlanRun), reported=True)
    except msgspec.DecodeError as error:
        raise Unsupported(f"the report of run {run} cannot be read by this version: {error}", hint="use a newer understudy") from None


async def _listed(vault: Vault, kept: Kept) -> engine.PlanRunEntry:
    """One that cannot be read does not hide the others; what its record says is shown."""
    assert isinstance(kept.body, kinds.PlanReport)
    try:
        return engine.entry_of(await _report(vault, kept.body.run))
    except (IntegrityError, Unsupported) as error:
        return lost_entry(kept.body.run, kept.body.plan, kept.body.outcome, kept.at, kept.by, error.message)
