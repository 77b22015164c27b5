"""This site's standby images, as failovers are lent them: whatever is wrong with one, a machine can be started without it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from understudy.daemon.served import ServedEngine
from understudy.engine import OnProgress
from understudy.errors import StoreUnavailable, TargetFailed, UnderstudyError
from understudy.failover import deed as deeds
from understudy.jobs.journal import Journal
from understudy.local.standby import lending
from understudy.local.standby.file import read_standby
from understudy.local.standby.held import standby_of
from understudy.local.standby.keeping import reclaimed, standby_removed
from understudy.local.standby.lending import GRACE, LIMIT, Behind, Lent, Unfit, Worth
from understudy.replica.replicas import Replicas
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

T = TypeVar("T")
_RUN = "run "


class Lending:
    """Implements `failover.site.Lender`."""

    def __init__(self, engine: ServedEngine, replicas: Replicas, journal: Journal) -> None:
        self._engine = engine
        self._replicas = replicas
        self._journal = journal
        self._under_way: set[asyncio.Task[Any]] = set()

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

        async def bring() -> Worth:
            await self._given_back(vault, log, run)
            await self._reclaim(vault, log)
            found = await lending.looked(vault, log, site, entry, "")
            if isinstance(found, Behind):
                await lending.brought(vault, log, site, entry, progress)
            return found

        try:
            hopeless = await self._hopeless(vault, log, entry, run)
            found = hopeless if hopeless is not None else await self._alone(log, LIMIT + 3 * GRACE, bring)
        except Exception as error:
            # Whatever it is, a fault of our own too: the machine starts from the vault.
            return self._unused(log, error)
        return found.words if isinstance(found, Unfit) else ""

    async def lend(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str) -> Lent:
        lent = partial(lending.lent, vault, log, self._engine.site, entry, _RUN + run)
        try:
            hopeless = await self._hopeless(vault, log, entry, run)
            return Lent(words=hopeless.words) if hopeless is not None else await self._alone(log, 3 * GRACE, lent)
        except Exception as error:
            # As above.
            return Lent(words=self._unused(log, error))

    async def take_back(self, vault: Vault, log: MachineLog, run: str) -> None:
        try:
            await self._alone(log, 3 * GRACE, partial(self._given_back, vault, log, run))
        except Exception as error:
            # Whatever it is, the machine runs: its follower does it, as soon as that can be done.
            self._unused(log, error)

    async def forget(self, vault: Vault, log: MachineLog, run: str, images: Mapping[str, str]) -> None:
        """Give up the standby whose images the run was given, and needs no more; they stay where they are. Idempotent.
        `StoreUnavailable` if that was not done in time."""
        site = self._engine.site

        async def forgotten() -> None:
            standby = await asyncio.to_thread(standby_of, site.directory(vault.id, log.machine_id), vault.id, log.machine_id)
            # Ended between the two, the second is known by its images.
            if standby is not None and images and {name: str(image.path) for name, image in standby.images.items()} == dict(images):
                await self._given_back(vault, log, run)
                await standby_removed(vault, log, site, keep_images=True)

        try:
            await self._alone(log, LIMIT + 3 * GRACE, forgotten)
        except TimeoutError:
            hint = "its disks or the vault do not answer; what is done stays done: say it again"
            raise StoreUnavailable(f"the standby of {log.state.name!r} was not given up in time", hint=hint) from None

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

    async def _given_back(self, vault: Vault, log: MachineLog, run: str) -> None:
        """If the run was lent it, and needs nothing of it: a VM may lie on the images whatever has become of its failover."""

        async def needed(by: str) -> bool:
            return by != _RUN + run or await self._replicas.needs_below(run)

        await reclaimed(vault, log, self._engine.site, needed)

    async def _hopeless(self, vault: Vault, log: MachineLog, entry: PointEntry, run: str) -> Unfit | None:
        """Where a look tells that nothing starts from it now, whoever reads it as a whole, which takes hours, is not to begin anew."""
        async with asyncio.timeout(GRACE):
            found = await lending.looked(vault, log, self._engine.site, entry, _RUN + run)
        return found if isinstance(found, Unfit) and not found.lent else None

    async def _alone(self, log: MachineLog, seconds: float, work: Callable[[], Awaitable[T]]) -> T:
        """Do this with the standby and nobody else. `TimeoutError`: a disk that does not answer any more must not hold up a start; what is
        under way on it then keeps the standby to itself until that has ended."""

        async def alone() -> T:
            async with self._engine.standing.aside(log.machine_id):
                return await work()

        task = asyncio.create_task(alone(), name=f"lend {log.machine_id}")
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=GRACE)
        if not task.done() or task.cancelled():
            raise TimeoutError
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Told to whoever waits, if anybody does still.
            task.exception()

    def _unused(self, log: MachineLog, error: Exception) -> str:
        """What went wrong, in words, told; a fault of our own with its traceback."""
        words = "it does not answer" if isinstance(error, TimeoutError) else getattr(error, "message", repr(error))
        message = f"the standby image of {log.state.name} cannot be used now: {words}"
        if isinstance(error, UnderstudyError | TimeoutError):
            self._journal.tell("standby.unused", "warning", message, machine=log.machine_id)
        else:
            self._journal.fault(message, error, machine=log.machine_id)
        return message


def _about_to_be(directory: Path, run: str) -> bool:
    """Whether a failover that has not ended was lent it for this run."""
    deed = deeds.read(directory)
    return deed is not None and not deed.done and run in (deed.lent, deed.run)
