"""The facade's part that is about standbys and orphans."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable

from understudy import engine
from understudy.errors import StateFailed
from understudy.local.site import Site
from understudy.local.standby.following import followed
from understudy.local.standby.keeping import standby_created, standby_paused, standby_removed
from understudy.local.standby.orphans import orphan_dropped, orphans_of
from understudy.local.standby.views import standby_shown_of, standbys_here
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault


class StandbyFacade(ABC):
    """Joined to what opens the vault and finds machines in it."""

    _site: Site

    @abstractmethod
    async def _opened(self) -> Vault: ...

    @abstractmethod
    async def _find(self, vault: Vault, machine: str) -> MachineLog: ...

    @abstractmethod
    async def _look(self, vault: Vault, machine: str) -> MachineLog: ...

    @abstractmethod
    def _must_restore_outside(self, targets: Iterable[str]) -> None: ...

    async def standbys(self) -> tuple[engine.Standby, ...]:
        vault = await self._opened()
        kept = await asyncio.to_thread(standbys_here, vault.id, self._site)
        shown = [await self._seen_standby(vault, machine) for machine in kept]
        return tuple(sorted(shown, key=lambda standby: (standby.machine, standby.machine_id)))

    async def _seen_standby(self, vault: Vault, machine: str) -> engine.Standby:
        """For a list that one damaged record is not to end. `machine`: its id."""
        log = await self._look(vault, machine)
        try:
            return await self._shown_standby(vault, log)
        except StateFailed as error:
            why = f"{error.message}; {error.hint}"
            return engine.Standby(machine=log.state.name, machine_id=machine, state="unknown", since=0, disks=(), why=why)

    async def standby(self, machine: str) -> engine.Standby:
        vault = await self._opened()
        return await self._shown_standby(vault, await self._look(vault, machine))

    async def create_standby(self, request: engine.CreateStandby) -> engine.Standby:
        self._must_restore_outside([*request.images.values(), *([request.directory] if request.directory else [])])
        vault = await self._opened()
        log = await self._find(vault, request.machine)
        await standby_created(vault, log, self._site, request)
        return await self._shown_standby(vault, log)

    async def set_standby(self, request: engine.SetStandby) -> engine.Standby:
        vault = await self._opened()
        log = await self._find(vault, request.machine)
        await standby_paused(vault, log, self._site, request.paused)
        return await self._shown_standby(vault, log)

    async def remove_standby(self, request: engine.RemoveStandby) -> engine.Standby:
        vault = await self._opened()
        log = await self._find(vault, request.machine)
        shown = await self._shown_standby(vault, log)
        await standby_removed(vault, log, self._site, keep_images=request.keep_images)
        return shown

    async def follow_standby(self, request: engine.FollowStandby, progress: engine.OnProgress) -> engine.Restored:
        vault = await self._opened()
        return await followed(vault, await self._find(vault, request.machine), self._site, progress, prove=request.prove)

    async def orphans(self, machine: str) -> tuple[engine.Orphan, ...]:
        vault = await self._opened()
        return await asyncio.to_thread(orphans_of, vault, await self._look(vault, machine), self._site)

    async def drop_orphan(self, request: engine.DropOrphan) -> engine.Orphan:
        vault = await self._opened()
        return await orphan_dropped(vault, await self._find(vault, request.machine), self._site, request.name)

    async def _shown_standby(self, vault: Vault, log: MachineLog) -> engine.Standby:
        return await asyncio.to_thread(standby_shown_of, self._site.directory(vault.id, log.machine_id), vault.id, log.state)
