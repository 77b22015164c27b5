"""Recovery plans and the reports of their runs, kept where they are when a site is lost: in the settings log and its side objects.

Only an operator's key may set them; whoever can read the settings (every key of the vault) can read them.
"""

from understudy.errors import AccessDenied, Conflict, InvalidRequest, NotFound
from understudy.vault import kinds, names
from understudy.vault.keys.identity import Role
from understudy.vault.log.chain import Place
from understudy.vault.log.settings import Kept, Settings
from understudy.vault.log.settings_log import SettingsLog
from understudy.vault.log.side_object import get_side_object, put_side_object

PLAN = "plan"
REPORT = "plan report"
MOST_PLANS = 1000


class PlanShelf:
    """Texts and reports are bytes to it."""

    def __init__(self, place: Place, settings: SettingsLog, role: Role) -> None:
        self._place = place
        self._settings = settings
        self._role = role

    async def plans(self) -> tuple[Kept, ...]:
        """By name."""
        await self._settings.refresh()
        return tuple(kept for _, kept in sorted(self._settings.state.plans.items()))

    async def plan(self, name: str) -> Kept:
        await self._settings.refresh()
        kept = self._settings.state.plans.get(name)
        if kept is None:
            raise NotFound(f"there is no recovery plan {name!r} in this vault", hint="`understudy plan list` shows them")
        return kept

    async def text(self, kept: Kept) -> bytes:
        """Of a plan; `IntegrityError` if it is damaged."""
        assert isinstance(kept.body, kinds.Plan)
        assert kept.body.text is not None
        return await get_side_object(self._place.store, self._place.access, names.SETTINGS, PLAN, kept.body.text)

    async def set(self, name: str, text: bytes) -> None:
        """Durable when it returns. `AccessDenied` without an operator's key."""
        self._must_be_operator()

        def there_is_room(settings: Settings) -> None:
            if name not in settings.plans and len(settings.plans) >= MOST_PLANS:
                raise InvalidRequest(f"this vault has {len(settings.plans)} recovery plans already", hint="remove one first")

        ref = await put_side_object(self._place.store, self._place.access, names.SETTINGS, PLAN, text, self._place.patience)
        await self._settings.append(kinds.Plan(name=name, text=ref), there_is_room)

    async def remove(self, name: str) -> Kept:
        """What was removed; the reports of its runs stay."""
        kept = await self.plan(name)

        def still_there(settings: Settings) -> None:
            if settings.plans.get(name) != kept:
                raise Conflict(f"the recovery plan {name!r} was changed meanwhile", hint="look at it, and try again")

        await self._settings.append(kinds.Plan(name=name), still_there)
        return kept

    async def reports(self) -> tuple[Kept, ...]:
        """Oldest first."""
        await self._settings.refresh()
        return tuple(self._settings.state.reports.values())

    async def report(self, run: str) -> bytes:
        await self._settings.refresh()
        kept = self._settings.state.reports.get(run)
        if kept is None:
            raise NotFound(f"there is no report of a run {run!r} in this vault", hint="`understudy plan runs` lists them")
        assert isinstance(kept.body, kinds.PlanReport)
        return await get_side_object(self._place.store, self._place.access, names.SETTINGS, REPORT, kept.body.report)

    async def has_report(self, run: str) -> bool:
        await self._settings.refresh()
        return run in self._settings.state.reports

    async def keep(self, run: str, plan: str, outcome: str, report: bytes) -> None:
        """Keep the report of a run, if the vault has none of it; durable when it returns. To be repeated after any failure."""
        self._must_be_operator()
        if await self.has_report(run):
            return
        ref = await put_side_object(self._place.store, self._place.access, names.SETTINGS, REPORT, report, self._place.patience)

        def has_none(settings: Settings) -> None:
            if run in settings.reports:
                raise _HasOne("the vault has this report already")

        try:
            await self._settings.append(kinds.PlanReport(run=run, plan=plan, outcome=outcome, report=ref), has_none)
        except _HasOne:
            return

    def _must_be_operator(self) -> None:
        if self._role != "operator":
            raise AccessDenied("a source's key keeps no recovery plans and no reports", hint="do this with an operator's key")


class _HasOne(Conflict):
    """An attempt that was left in doubt has taken effect."""
