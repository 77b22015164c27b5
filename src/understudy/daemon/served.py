"""The engine as the daemon uses and offers it: its scheduler hears of every machine that is protected, renewed or left through it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from understudy import engine
from understudy.daemon.looks import Looks
from understudy.daemon.presence import Place, must_be, must_be_in_place, place_of
from understudy.errors import NotFound
from understudy.local.engine import LocalEngine
from understudy.local.here import Here, here_of, machines_here
from understudy.local.immutability import forget_immutability, kept_immutable, known_immutability
from understudy.local.parts import Parts
from understudy.local.planning import report_kept
from understudy.local.policy_file import read_policy, write_policy
from understudy.local.replicating import Opened, replication
from understudy.local.site import Site
from understudy.local.standby.views import standbys_here
from understudy.scheduler.looking import counts_for
from understudy.store.protocol import Cache, ObjectStore
from understudy.vault import names
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault


class Scheduled(Protocol):
    """Who replicates the machines."""

    def known(self, machine: str) -> str:
        """The id of the one machine that is followed under this name or id; empty if there is none, or are several."""
        ...

    def aside(self, machine: str) -> AbstractAsyncContextManager[None]:
        """Leave the machine (its id) to somebody else meanwhile; nothing happens if it is not followed."""
        ...

    async def follow(self, machine: str) -> None: ...

    async def leave(self, machine: str) -> None: ...

    def proven(self, machine: str, damage: str) -> None:
        """Points of the machine were read and compared; `damage`: what was wrong with them or around them, empty if nothing was."""
        ...

    async def renew(self, machine: str) -> None:
        """What the vault says of the machine changed."""
        ...


class Standing(Protocol):
    """Who brings the standbys on."""

    def known(self, machine: str) -> str: ...

    def aside(self, machine: str) -> AbstractAsyncContextManager[None]:
        """Leave the machine's standby to somebody else meanwhile."""
        ...

    def still(self, machine: str, seconds: float) -> AbstractAsyncContextManager[None]:
        """It begins nothing meanwhile. `seconds`: for what is under way, if that is soon done."""
        ...


class Lends(Protocol):
    """Who lends the standbys."""

    async def reclaim(self, machine: str) -> None: ...


class ServedEngine(LocalEngine):
    """`scheduled`, `standing` and `lends` are set before the first request."""

    scheduled: Scheduled
    standing: Standing
    lends: Lends

    def __init__(self, connection: engine.Connection, parts: Parts) -> None:
        super().__init__(connection, parts)
        self._written: dict[str, tuple[Vault, MachineLog]] = {}
        """By machine: the log that its loop appends to, and so has read."""
        self._looks = Looks()
        self._cached: tuple[Vault, Cache | None] | None = None
        self._place: Place = None

    async def watched(self, machine: str) -> tuple[Vault, MachineLog]:
        """The machine's log as it is now, to look at: few requests where nothing was appended. `machine`: an id."""
        vault = await self._opened()
        return vault, await self._looks.now(vault, machine, self._replicated(vault, machine))

    async def glanced(self, machine: str, *, calm: bool = False, isolation: int = 0) -> tuple[Vault, MachineLog]:
        """The same for who looks again and again: where requests cost money with fewer of them. `calm`: the log may then be some seconds
        old (`known_at`), fewer with `isolation` (seconds)."""
        vault = await self._opened()
        billed = vault.store.capabilities.billed
        if not billed:
            return await self.watched(machine)
        seconds = counts_for(isolation, billed=billed, calm=calm)
        return vault, await self._looks.lately(vault, machine, self._replicated(vault, machine), seconds)

    def _replicated(self, vault: Vault, machine: str) -> MachineLog | None:
        opened, log = self._written.get(machine, (None, None))
        return log if opened is vault else None

    def at_hand(self, machine: str) -> tuple[Vault, MachineLog] | None:
        """The log of a machine (its id) that is replicated now, as its loop has read it: nothing is asked of the store."""
        return self._written.get(machine)

    async def copy_of(self, store: ObjectStore) -> Vault:
        """What is in the store, a copy of the vault, opened for reading."""
        return await self._reads()(store)

    def cache_of(self, vault: Vault) -> Cache | None:
        """What the standbys' steps read the vault through."""
        if self._cached is None or self._cached[0] is not vault:
            self._cached = vault, self._parts.cached(vault.store)
        return self._cached[1]

    @property
    def url(self) -> str:
        """The vault's."""
        return self._connection.vault

    @asynccontextmanager
    async def final_cycle(self, machine: str) -> AsyncIterator[Opened]:
        """Own the machine, which was shut down, to make its last point."""
        vault = await self._opened()
        async with replication(vault, await self._find(vault, machine), self._parts, self._site) as opened:
            yield opened

    @asynccontextmanager
    async def replicate(self, machine: str) -> AsyncIterator[engine.Replication]:
        vault = await self._opened()
        async with replication(vault, await self._find(vault, machine), self._parts, self._site) as opened:
            self._written[opened.log.machine_id] = vault, opened.log
            try:
                yield opened
            finally:
                del self._written[opened.log.machine_id]

    async def vault_id(self) -> str:
        """Opens the vault if it is not open."""
        return (await self._opened()).id

    async def is_operator(self) -> bool:
        return (await self._opened()).identity.role == "operator"

    async def keep_report(self, run: engine.PlanRun) -> None:
        """The vault has the report of this run of a plan when it returns; said again nothing happens."""
        await report_kept(await self._opened(), run)

    async def has_report(self, run: str) -> bool:
        return await (await self._opened()).plans.has_report(run)

    async def keep_immutable(self, machine: str, seconds: float, period: float) -> engine.Immutability:
        """`machine`: its id. What all that it needs is locked for, after locking what had to be."""
        vault, log = await self.log_of(machine)
        return await kept_immutable(self._parts, self._connection.vault, vault.id, log, self._site, seconds, period)

    async def known_immutability(self, machine: str) -> engine.Immutability | None:
        return await asyncio.to_thread(known_immutability, self._site, await self.vault_id(), machine)

    async def forget_immutability(self, machine: str) -> None:
        await asyncio.to_thread(forget_immutability, self._site, await self.vault_id(), machine)

    async def touch(self) -> None:
        """Whether the vault that is open answers, and is found where it was: what is open may be a file system that was taken away."""
        vault, url, directory = await self._opened(), self._connection.vault, self.vault_directory
        if directory is not None:
            await vault.store.head(names.DESCRIPTOR)
        store = vault.store if directory is None else self._parts.open_store(url)
        try:
            await must_be(vault, url, store, self._parts.where_to_look)
        finally:
            if store is not vault.store:
                await store.close()
        await asyncio.to_thread(must_be_in_place, directory, self._place)

    async def _open(self, *, salvage: bool = False) -> Vault:
        # Before: what is put there meanwhile is found out.
        self._place = await asyncio.to_thread(place_of, self.vault_directory)
        return await super()._open(salvage=salvage)

    async def reopen(self) -> None:
        """Open the vault anew when it is needed next: what was open may be a file system that is gone. Who works with it fails, and
        tries again."""
        async with self._opening:
            left, self._vault, self._salvaged = (self._vault, self._salvaged), None, None
        for vault in left:
            if vault is not None:
                await vault.close()

    async def followed(self) -> list[str]:
        """Ids of this host's machines."""
        return await asyncio.to_thread(machines_here, await self.vault_id(), self._site)

    async def standbys_kept(self) -> list[str]:
        """Ids of the machines of which this host keeps a standby."""
        return await asyncio.to_thread(standbys_here, await self.vault_id(), self._site)

    async def reclaim(self, machine: str) -> None:
        await self.lends.reclaim(machine)

    async def is_open(self, vault: Vault) -> bool:
        """Whether this is still the vault that is used: it may have been opened anew."""
        return self._vault is vault

    async def here(self, machine: str) -> Here:
        vault = await self._opened()
        log = await self._look(vault, machine)
        return await asyncio.to_thread(here_of, vault.id, log, self._site)

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]:
        """A machine's log, read to its end, and the vault that it is in."""
        vault = await self._opened()
        return vault, await self._look(vault, machine)

    async def id_of(self, machine: str) -> str:
        return self._known(machine) or (await self._found(machine)).machine_id

    async def _find(self, vault: Vault, machine: str) -> MachineLog:
        """A machine that is followed is known by its name: the vault need not be searched for it."""
        return await vault.find(self._known(machine) or machine)

    def _known(self, machine: str) -> str:
        return self.scheduled.known(machine) or self.standing.known(machine)

    async def _look(self, vault: Vault, machine: str) -> MachineLog:
        """A machine's log may have thousands of records, and is asked for all the time."""
        opened, log = self._written.get(self.scheduled.known(machine), (None, None))
        return await log.beside() if log is not None and opened is vault else await self._find(vault, machine)

    async def log_to_append(self, machine: str) -> tuple[Vault, MachineLog]:
        """As `log_of`, for who has something to say in it."""
        vault = await self._opened()
        return vault, await self._find(vault, machine)

    @property
    def site(self) -> Site:
        return self._site

    @property
    def vault_directory(self) -> Path | None:
        """Where on this host the vault is, if it is a directory."""
        return self._parts.vault_directory(self._connection.vault)

    async def elsewhere(self, ids: Collection[str] | None = None) -> dict[str, str]:
        """Machines (of these, or of all) that other sites run: the site by the machine's id. Reads their logs."""
        vault = await self._opened()
        states = await vault.readable(await vault.ids() if ids is None else ids)
        return {state.id: state.site for state in states if state.site != self._site.name}

    async def policy(self, machine: str) -> engine.ReplicationPolicy | None:
        """Its own, by its id; None if it has none."""
        return await asyncio.to_thread(read_policy, await self._directory(machine))

    async def set_policy(self, machine: str, policy: engine.ReplicationPolicy) -> None:
        await asyncio.to_thread(partial(write_policy, await self._directory(machine), policy))

    async def protect(self, request: engine.Protect) -> engine.Protected:
        async with AsyncExitStack() as stack:
            for machine in await self._ids_of(request.name):
                await stack.enter_async_context(self.scheduled.aside(machine))
            done = await super().protect(request)
        await self.scheduled.follow(done.machine.id)
        await self.scheduled.renew(done.machine.id)
        return done

    async def unprotect(self, request: engine.Unprotect) -> engine.Unprotected:
        machine = await self.id_of(request.name)
        async with self.scheduled.aside(machine):
            done = await super().unprotect(request)
            await self.scheduled.leave(machine)
        return done

    @asynccontextmanager
    async def replicate_group(self, name: str) -> AsyncIterator[engine.GroupReplication]:
        group = next((group for group in await self.groups() if group.name == name), None)
        async with AsyncExitStack() as stack:
            # In one order, so that groups with members in common wait for each other, and not each for the other.
            for machine in sorted(member.machine for member in group.members) if group else ():
                await stack.enter_async_context(self.scheduled.aside(machine))
            async with super().replicate_group(name) as replication:
                yield replication
        for member in group.members if group else ():
            await self.scheduled.renew(member.machine)

    async def set_retention(self, request: engine.SetRetention) -> engine.Retention:
        done = await super().set_retention(request)
        await self._renewed(request.machine)
        return done

    async def prune(self, request: engine.Prune) -> engine.Pruned:
        done = await super().prune(request)
        await self._renewed(request.machine)
        return done

    async def verify(self, request: engine.Verify, progress: engine.OnProgress) -> engine.Verified:
        done = await super().verify(request, progress)
        machine = await self.id_of(request.machine)
        self.scheduled.proven(machine, _words(done.damage))
        await self.scheduled.renew(machine)
        return done

    async def export_seed(self, request: engine.SeedExport, progress: engine.OnProgress) -> engine.Seeded:
        async with AsyncExitStack() as stack:
            if request.point is None:
                await stack.enter_async_context(self.scheduled.aside(await self.id_of(request.machine)))
            return await super().export_seed(request, progress)

    async def create_standby(self, request: engine.CreateStandby) -> engine.Standby:
        async with self.standing.aside(await self.id_of(request.machine)):
            return await super().create_standby(request)

    async def set_standby(self, request: engine.SetStandby) -> engine.Standby:
        async with self.standing.aside(await self.id_of(request.machine)):
            return await super().set_standby(request)

    async def remove_standby(self, request: engine.RemoveStandby) -> engine.Standby:
        async with self.standing.aside(await self.id_of(request.machine)):
            return await super().remove_standby(request)

    async def follow_standby(self, request: engine.FollowStandby, progress: engine.OnProgress) -> engine.Restored:
        async with self.standing.aside(await self.id_of(request.machine)):
            return await super().follow_standby(request, progress)

    async def drop_orphan(self, request: engine.DropOrphan) -> engine.Orphan:
        async with self.standing.aside(await self.id_of(request.machine)):
            return await super().drop_orphan(request)

    async def _renewed(self, machine: str) -> None:
        await self.scheduled.renew(await self.id_of(machine))

    async def _ids_of(self, name: str) -> Sequence[str]:
        try:
            return [await self.id_of(name)]
        except NotFound:
            return []

    async def _directory(self, machine: str) -> Path:
        return self._site.directory(await self.vault_id(), machine)


def _words(damage: Sequence[engine.Damage]) -> str:
    """The first of it; empty without any."""
    more = f", and {len(damage) - 1} more" if len(damage) > 1 else ""
    return f"a verification found {damage[0].name}: {damage[0].reason}{more}" if damage else ""
