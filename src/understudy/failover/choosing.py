"""Which point a failover goes on from, and whether this site's standby image can be at it."""

from dataclasses import dataclass
from pathlib import Path

from understudy.engine import OnProgress
from understudy.engine.drills import LATEST_PROCESSED
from understudy.errors import NotFound, UnderstudyError
from understudy.failover.deed import Deed
from understudy.failover.site import FailoverSite
from understudy.vault.log.authority import PLANNED
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault


@dataclass(slots=True)
class Choosing:
    """For one machine. `directory` is its own here."""

    site: FailoverSite
    vault: Vault
    log: MachineLog
    directory: Path
    progress: OnProgress

    @property
    def name(self) -> str:
        return self.log.state.name

    async def wanted(self, deed: Deed) -> PointEntry:
        """The point that is meant, as things are now."""
        if deed.mode == PLANNED:
            return self.entry_of(self.log.state.authority.final.hex())
        if deed.wanted != LATEST_PROCESSED:
            return self.entry_of(deed.wanted)
        try:
            return await self.site.lender.processed(self.vault, self.log)
        except UnderstudyError:
            if not deed.processed:
                raise
            # It broke since it was asked for; the vault has the point that it held.
            return self.entry_of(deed.processed)

    def entry_of(self, point: str) -> PointEntry:
        """The newest if `point` is empty."""
        state = self.log.state
        if not point:
            if state.newest is None:
                raise NotFound(f"machine {state.name!r} has no recovery point")
            return state.newest
        entry = next((entry for entry in state.points if entry.point.id.hex() == point), None)
        if entry is None:
            raise NotFound(f"machine {state.name!r} has no point {point}", hint=f"understudy points {state.name} lists them")
        return entry

    async def brought(self, deed: Deed, run: str) -> tuple[PointEntry, str]:
        """The point, and what kept the standby from being brought to it."""
        lender, entry = self.site.lender, await self.wanted(deed)
        why = await lender.brought(self.vault, self.log, entry, run, self.progress)
        await self.log.refresh()
        if not deed.wanted and (newer := await self.wanted(deed)).seq != entry.seq:
            # One that came meanwhile is a small step only.
            entry, why = newer, await lender.brought(self.vault, self.log, newer, run, self.progress)
        return entry, why
