"""The engine inside this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from understudy import engine
from understudy.engine.profiling import Profile, Profiled
from understudy.errors import AccessDenied, Conflict, IntegrityError, NotFound, RolledBack
from understudy.local.claims import is_ours
from understudy.local.collecting import collected, usage_of
from understudy.local.creating import vault_created
from understudy.local.defining import definition_set, definition_shown
from understudy.local.export_file import read_export
from understudy.local.exporting import export_stopped
from understudy.local.following import follow_known, follow_new, found_or_none, probed, unfollow
from understudy.local.group_recovering import bindings, group_restored, instants_of
from understudy.local.grouping import group_made, group_removed, group_replication, groups_here
from understudy.local.immutability import known_immutability, locks_that_hold
from understudy.local.key_files import new_unlock, unlock_of
from understudy.local.key_ring import slot_named
from understudy.local.machine_file import followed
from understudy.local.outside import must_be_outside
from understudy.local.parts import Parts
from understudy.local.place import PlaceFacade
from understudy.local.planning import VaultPlans
from understudy.local.profiling import profiled
from understudy.local.promoting import PromotionFacade
from understudy.local.recovering import log_damage, restored, scrubbed, verified
from understudy.local.replicating import replication
from understudy.local.retaining import hold_added, hold_removed, holds_of, pruned, retention_of, retention_set
from understudy.local.second import SecondFacade
from understudy.local.seeding import OpenVault, exported, imported
from understudy.local.site import Site
from understudy.local.standby.facade import StandbyFacade
from understudy.local.views import dropped_of, found_of, key_of, keys_of, machine_of, points_of
from understudy.store.protocol import ObjectStore
from understudy.vault.keys.keyring import unlock_vault
from understudy.vault.keys.unlock import Unlock
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault

Find: TypeAlias = Callable[[Vault, str], Awaitable[MachineLog]]


class LocalEngine(StandbyFacade, SecondFacade, PromotionFacade, VaultPlans, PlaceFacade):
    """Opens the vault when it is first needed; `close` when done."""

    def __init__(self, connection: engine.Connection, parts: Parts) -> None:
        super().__init__()
        self._connection = connection
        self._parts = parts
        self._site = Site(connection.site, Path(connection.state_dir))
        self._vault: Vault | None = None
        self._salvaged: Vault | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        for vault in (self._vault, self._salvaged):
            if vault is not None:
                await vault.close()
        self._vault = self._salvaged = None

    async def create_vault(self, request: engine.CreateVault) -> engine.VaultInfo:
        self._must_remember_outside()
        self._vault = await vault_created(self._parts, self._connection.vault, self._credential(), self._site, request)
        return await self.vault()

    async def keys(self) -> tuple[engine.Key, ...]:
        vault = await self._opened()
        return keys_of(await vault.keys.survey())

    async def add_key(self, request: engine.AddKey) -> engine.Key:
        engine.checked_name("key", request.label)
        vault = await self._opened()
        async with self._new_unlock(request.credential) as unlock:
            return key_of(await vault.keys.add(request.role, request.label, unlock))

    async def rotate_key(self, request: engine.RotateKey) -> engine.Key:
        vault = await self._opened()
        slot = slot_named(await vault.keys.survey(), request.slot)
        async with self._new_unlock(request.credential) as unlock:
            return key_of(await vault.keys.rotate(slot.id, unlock))

    async def remove_key(self, slot: str) -> engine.KeyRemoved:
        vault = await self._opened()
        removed, revoked = await vault.keys.remove(slot_named(await vault.keys.survey(), slot).id)
        return engine.KeyRemoved(slot=removed.id, label=removed.label, role=removed.role, revoked=revoked)

    async def protect(self, request: engine.Protect) -> engine.Protected:
        vault = await self._opened()
        engine.checked_name("machine", request.name)
        found = await probed(self._parts, request.source, self._site.state)
        log = await found_or_none(vault, request.name)
        if log is None:
            log = await follow_new(vault, request, self._site)
            return engine.Protected(machine=self._machine(vault, log.state), found=found_of(found), outcome="created")
        here = await follow_known(vault, log, request, self._site)
        return engine.Protected(machine=self._machine(vault, log.state), found=found_of(found), outcome="renewed" if here else "adopted")

    async def unprotect(self, request: engine.Unprotect) -> engine.Unprotected:
        vault = await self._opened()
        log = await self._find(vault, request.name)
        await unfollow(vault, log, self._parts, self._site, forget=request.forget)
        return engine.Unprotected(machine=self._machine(vault, log.state), cleaned=not request.forget)

    @asynccontextmanager
    async def replicate(self, machine: str) -> AsyncIterator[engine.Replication]:
        vault = await self._opened()
        log = await self._find(vault, machine)
        async with replication(vault, log, self._parts, self._site) as opened:
            yield opened

    async def groups(self) -> tuple[engine.Group, ...]:
        return await groups_here(await self._opened(), self._site)

    async def create_group(self, request: engine.CreateGroup) -> engine.Group:
        return await group_made(await self._opened(), self._site, request)

    async def remove_group(self, name: str) -> engine.Group:
        return await group_removed(await self._opened(), self._site, name)

    @asynccontextmanager
    async def replicate_group(self, name: str) -> AsyncIterator[engine.GroupReplication]:
        vault = await self._opened()
        async with group_replication(vault, self._parts, self._site, name) as opened:
            yield opened

    async def instants(self) -> tuple[engine.Instant, ...]:
        return (await self._readable_instants())[1]

    async def restore_group(self, request: engine.RestoreGroup, progress: engine.OnProgress) -> engine.GroupRestored:
        for targets in request.targets.values():
            self._must_restore_outside(targets.values())
        vault, instants = await self._readable_instants()
        return await group_restored(vault, instants, request, progress)

    async def points(self, machine: str) -> engine.Points:
        vault, log = await self._readable(machine, self._look)
        state = log.state
        void = tuple(f"record {record.seq} ({record.kind}) does not count: {record.reason}" for record in state.void)
        locked = await asyncio.to_thread(known_immutability, self._site, vault.id, state.id)
        shown = points_of(state, await bindings(vault, state), locked)
        return engine.Points(
            machine=self._machine(vault, state),
            points=shown,
            void=void,
            damage=log_damage(vault, log),
            dropped=dropped_of(state),
            trimmed=state.trimmed,
        )

    async def restore(self, request: engine.Restore, progress: engine.OnProgress) -> engine.Restored:
        self._must_restore_outside(request.targets.values())
        vault, log = await self._readable(request.machine)
        return await restored(vault, log, request, progress)

    async def verify(self, request: engine.Verify, progress: engine.OnProgress) -> engine.Verified:
        vault, log = await self._readable(request.machine)
        return await verified(vault, log, request, progress)

    async def definition(self, machine: str) -> engine.ShownDefinition:
        vault = await self._opened()
        return await definition_shown(vault, await self._find(vault, machine))

    async def set_definition(self, request: engine.SetDefinition) -> engine.SetDefinition:
        vault = await self._opened()
        return await definition_set(vault, await self._find(vault, request.machine), request)

    async def retention(self, machine: str) -> engine.Retention:
        return retention_of((await self._look(await self._opened(), machine)).state)

    async def set_retention(self, request: engine.SetRetention) -> engine.Retention:
        return await retention_set(await self._found(request.machine), request)

    async def prune(self, request: engine.Prune) -> engine.Pruned:
        vault = await self._opened()
        return await pruned(vault, await self._find(vault, request.machine), request)

    async def holds(self, machine: str) -> tuple[engine.Hold, ...]:
        return holds_of((await self._look(await self._opened(), machine)).state)

    async def add_hold(self, request: engine.AddHold) -> engine.Hold:
        return await hold_added(await self._found(request.machine), request)

    async def remove_hold(self, request: engine.RemoveHold) -> engine.Hold:
        return await hold_removed(await self._found(request.machine), request)

    async def export_seed(self, request: engine.SeedExport, progress: engine.OnProgress) -> engine.Seeded:
        self._must_be_outside(Path(request.directory), "the seed", "it is a vault of its own")
        vault = await self._opened()
        return await exported(vault, await self._find(vault, request.machine), self._parts, self._site, request, self._reads(), progress)

    async def import_seed(self, request: engine.SeedImport, progress: engine.OnProgress) -> engine.Seeded:
        return await imported(self._connection.vault, self._opened, self._parts, request, self._reads(), progress)

    async def profile(self, request: Profile, progress: engine.OnProgress) -> Profiled:
        vault = await self._opened()
        return await profiled(vault, await self._find(vault, request.machine), self._parts, self._site, request, progress)

    async def collect(self, request: engine.Collect) -> engine.Collected:
        vault = await self._opened()
        log = await self._find(vault, request.machine)
        async with locks_that_hold(self._parts, self._connection.vault) as locks:
            return await collected(vault, log, self._site, locks, request)

    async def usage(self, machine: str) -> engine.Usage:
        vault = await self._opened()
        log = await self._find(vault, machine)
        return await usage_of(vault, log, self._site, self._machine(vault, log.state))

    async def stop_export(self, name: str, *, discard: bool) -> engine.Export:
        export = await asyncio.to_thread(read_export, self._site.state, name)
        log = await self._found(export.machine_id)
        return await export_stopped(log, self._site.state, self._site.name, name, discard=discard)

    def _reads(self) -> OpenVault:
        """How another copy of the vault is opened, with our credential and without a memory of it."""

        async def read(store: ObjectStore) -> Vault:
            return await Vault.open(store, await asyncio.to_thread(unlock_of, self._credential()), None)

        return read

    async def scrub(self, progress: engine.OnProgress) -> engine.Verified:
        store = self._parts.open_store(self._connection.vault)
        try:
            return await scrubbed(store, progress)
        except NotFound as error:
            raise self._no_vault() from error
        finally:
            await store.close()

    async def _readable_logs(self) -> tuple[Vault, list[MachineLog]]:
        """As `_readable`, of all machines."""
        try:
            vault = await self._opened()
            return vault, await vault.logs()
        except RolledBack:
            raise
        except IntegrityError:
            vault = self._salvaged = self._salvaged or await self._open(salvage=True)
            return vault, await vault.logs()

    async def _readable_instants(self) -> tuple[Vault, tuple[engine.Instant, ...]]:
        """As `_readable`, of all machines: whose log is damaged may lack its point, and so make an instant incomplete."""
        try:
            vault = await self._opened()
            return vault, await instants_of(vault)
        except RolledBack:
            raise
        except IntegrityError:
            vault = self._salvaged = self._salvaged or await self._open(salvage=True)
            return vault, await instants_of(vault)

    async def _readable(self, machine: str, find: Find | None = None) -> tuple[Vault, MachineLog]:
        """For restoring and proving: logs that are damaged are read past the damage."""
        try:
            vault = await self._opened()
            return vault, await (find or self._find)(vault, machine)
        except RolledBack:
            raise
        except (IntegrityError, NotFound):
            vault = self._salvaged = self._salvaged or await self._open(salvage=True)
            log = await self._find(vault, machine)
            if not vault.damage + log.damage:
                raise
            return vault, log

    def _must_restore_outside(self, targets: Iterable[str]) -> None:
        for target in targets:
            self._must_be_outside(Path(target), "the image", "nothing in a vault is readable without a key")

    def _must_remember_outside(self) -> None:
        self._must_be_outside(self._site.state, "the state directory", "it is this host's own, and holds what guests write")

    def _must_be_outside(self, path: Path, what: str, why: str) -> None:
        must_be_outside(self._parts.vault_directory(self._connection.vault), path, what, why)

    async def _found(self, machine: str) -> MachineLog:
        return await self._find(await self._opened(), machine)

    async def _find(self, vault: Vault, machine: str) -> MachineLog:
        """`machine`: a name or an id."""
        return await vault.find(machine)

    async def _look(self, vault: Vault, machine: str) -> MachineLog:
        """As `_find`, to show what is there: records that this process has proven before need not be read again."""
        return await self._find(vault, machine)

    async def _opened(self) -> Vault:
        async with self._opening:
            self._vault = self._vault or await self._open()
            return self._vault

    async def _open(self, *, salvage: bool = False) -> Vault:
        self._must_remember_outside()
        unlock = await asyncio.to_thread(unlock_of, self._credential())
        store = self._parts.open_store(self._connection.vault)
        try:
            return await Vault.open(store, unlock, self._site.state, salvage=salvage)
        except NotFound as error:
            await store.close()
            raise self._no_vault() from error
        except BaseException:
            await store.close()
            raise

    def _no_vault(self) -> NotFound:
        url = self._connection.vault
        return NotFound(f"there is no vault at {url}", hint=self._parts.where_to_look(url))

    def _credential(self) -> engine.Credential:
        if self._connection.credential is None:
            raise AccessDenied("this needs a key of the vault", hint="give --key-file or --passphrase-file")
        return self._connection.credential

    @asynccontextmanager
    async def _new_unlock(self, credential: engine.Credential) -> AsyncIterator[Unlock]:
        """One that opens nothing yet: of two keys with the same secret, it would be chance which one opens the vault."""
        vault = await self._opened()
        async with new_unlock(credential, self._parts.vault_directory(self._connection.vault)) as unlock:
            await _must_open_nothing(vault, unlock)
            yield unlock

    def _machine(self, vault: Vault, state: MachineState) -> engine.Machine:
        here = followed(self._site.directory(vault.id, state.id)) and is_ours(vault.id, state, self._site)
        return machine_of(state, here)


async def _must_open_nothing(vault: Vault, unlock: Unlock) -> None:
    try:
        opened = await unlock_vault(vault.store, bytes.fromhex(vault.id), unlock)
    except AccessDenied:
        return
    raise Conflict(
        f"this file or passphrase opens the vault already, as {opened.bundle.role} {opened.bundle.name!r}",
        hint="give every key a file or passphrase of its own",
    )
