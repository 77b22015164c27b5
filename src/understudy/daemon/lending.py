"""This site's standby images, as failovers are lent them: whatever is wrong with one, a machine can be started without it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

from understudy.daemon.served import ServedEngine
from understudy.engine import OnProgress
from understudy.errors import TargetFailed
from understudy.failover import deed as deeds
from understudy.jobs.journal import Journal
from understudy.local.standby import lending
from understudy.local.standby.file import read_standby
from understudy.local.standby.keeping import reclaimed
from understudy.local.standby.lending import GRACE, LIMIT, Behind, Lent, Unfit
from understudy.replica.replicas import Replicas
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

_RUN = "run "


class Lending:
    """Implements `failover.site.Lender`."""

    def __init__(self, engine: ServedEngine, replicas: Replicas, journal: Journal) -> None:
        self._engine = engine
        self._replicas = replicas
        self._journal = journal

    def still(self, log: MachineLog) -> AbstractAsyncContextManager[None]:
        return self._engine.standing.still(log.machine_id, LIMIT)

    async def processed(self, vault: Vault, log: MachineLog) -> PointEntry:
        try:
            async with asyncio.timeout(GRACE):
                return await lending.processed_here(vault, log, self._engine.site)
        except TimeoutError:
            hint = "take its latest point instead"
            raise TargetFailed(f"the standby image of {log.state.name!r} does not answer", hint=hint) from None

    async def brought(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str, progress: OnProgress) -> str:
        site = self._engine.site
        try:
            async with self._aside(log, LIMIT + 3 * GRACE):
                await lending.given_back(vault, log, site, _RUN + run)
                await self._reclaim(vault, log)
                found = await lending.looked(vault, log, site, entry, "")
                if isinstance(found, Behind):
                    await lending.brought(vault, log, site, entry, progress)
        except Exception as error:
            return self._unused(log, error)
        return found.words if isinstance(found, Unfit) else ""

    async def lend(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str) -> Lent:
        try:
            async with self._aside(log, 3 * GRACE):
                return await lending.lent(vault, log, self._engine.site, entry, _RUN + run)
        except Exception as error:
            return Lent(words=self._unused(log, error))

    async def take_back(self, vault: Vault, log: MachineLog, run: str) -> None:
        try:
            async with self._aside(log, 3 * GRACE):
                await lending.given_back(vault, log, self._engine.site, _RUN + run)
        except Exception as error:
            # Its follower does it, as soon as that can be done.
            self._unused(log, error)

    async def reclaim(self, machine: str) -> None:
        """Let a machine's standby (its id) follow again, if whoever was lent it needs it no more, and was ended before it could say so."""
        directory = self._engine.site.directory(await self._engine.vault_id(), machine)
        found = await asyncio.to_thread(read_standby, directory)
        if found is not None and found.detached and not await self._needed(directory, found.detached):
            await self._reclaim(*await self._engine.log_to_append(machine))

    async def _reclaim(self, vault: Vault, log: MachineLog) -> None:
        directory = self._engine.site.directory(vault.id, log.machine_id)
        await reclaimed(vault, log, self._engine.site, partial(self._needed, directory))

    async def _needed(self, directory: Path, by: str) -> bool:
        run = by.removeprefix(_RUN)
        return run == by or await asyncio.to_thread(_about_to_be, directory, run) or await self._replicas.needs_below(run)

    @asynccontextmanager
    async def _aside(self, log: MachineLog, seconds: float) -> AsyncIterator[None]:
        """A disk that does not answer any more must not hold up a start."""
        async with asyncio.timeout(seconds), self._engine.standing.aside(log.machine_id):
            yield

    def _unused(self, log: MachineLog, error: Exception) -> str:
        """Also a fault of our own is no reason not to start a machine."""
        words = "it does not answer" if isinstance(error, TimeoutError) else getattr(error, "message", repr(error))
        message = f"the standby image of {log.state.name} cannot be used now: {words}"
        self._journal.tell("standby.unused", "warning", message, machine=log.machine_id)
        return message


def _about_to_be(directory: Path, run: str) -> bool:
    """Whether a failover that has not ended was lent it for this run."""
    deed = deeds.read(directory)
    return deed is not None and not deed.done and run in (deed.lent, deed.run)
