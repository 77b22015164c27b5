"""A vault, opened: its identity, its keys, its machines."""

import asyncio
import contextlib
import re
import secrets
import string
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import aclosing
from pathlib import Path

from nacl.public import PrivateKey

from understudy.errors import AccessDenied, Conflict, IntegrityError, InvalidRequest, NotFound, UnderstudyError, Unsupported
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import descriptor, kinds, names
from understudy.vault.access import Access
from understudy.vault.concurrent import each
from understudy.vault.copy.follow import followed_on
from understudy.vault.copy.marker import copy_id
from understudy.vault.empty import left_empty, must_be_empty
from understudy.vault.keys.identity import first_operator
from understudy.vault.keys.keyring import Keyring, Unlocked, slot_identities, unlock_vault, write_slot
from understudy.vault.keys.unlock import Unlock
from understudy.vault.log import guard
from understudy.vault.log.chain import Place
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.patience import Patience, create_patiently
from understudy.vault.log.record import Head, seal_record
from understudy.vault.log.settings import Member, Settings
from understudy.vault.log.settings_log import SettingsLog
from understudy.vault.log.state import MachineState
from understudy.vault.memory import Memory
from understudy.vault.plans import PlanShelf

_MOST_AT_ONCE = 16
FEW = 4
"""Machines that are looked for one after the other before the others are looked for in parallel."""
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
_DEFAULT = Patience()


class Vault:
    """Made by `create` or `open`. One instance serves all of a process's machines."""

    def __init__(self, place: Place, created_at: int, unlocked: Unlocked) -> None:
        self._place = place
        self._bundle = unlocked.bundle
        self._settings = SettingsLog(place, unlocked.bundle, secrets.token_bytes(16))
        self.created_at = created_at
        """Wall clock, nanoseconds; for people only."""
        self.keys = Keyring(place, self._settings, unlocked.bundle, unlocked.slot_id, self._heads)
        self.plans = PlanShelf(place, self._settings, unlocked.bundle.role)

    @classmethod
    async def create(
        cls, store: ObjectStore, unlock: Unlock, *, name: str = "operator", state: Path | None = None, patience: Patience = _DEFAULT
    ) -> "Vault":
        """A new vault in an empty place, opened as its first operator. `Conflict` if anything is there."""
        await must_be_empty(store)
        new = descriptor.Descriptor.new(time.time_ns())
        encoded = descriptor.encode(new)
        bundle = first_operator(name)
        place = Place(store, bundle.access(new.id), None, patience)
        genesis = kinds.Genesis(
            descriptor=descriptor.digest(encoded),
            root=bundle.root,
            name=name,
            recovery_public=bundle.recovery_public,
            recovery_generation=bundle.recovery_generation,
        )
        record = seal_record(
            place.access, names.SETTINGS, Head(), bundle.signing_key, genesis, epoch=0, writer=bytes(16), at=new.created_at
        )
        slot_id = secrets.token_bytes(16)
        ours = {names.record(names.SETTINGS, 1): record, names.DESCRIPTOR: encoded}
        try:
            await write_slot(place, slot_id, bundle, unlock)
            # The descriptor last: before it there is no vault. Of several creators at once, one gets the first settings record.
            for object_, data in ours.items():
                if await create_patiently(store, object_, data, patience) is Creation.EXISTS:
                    raise Conflict("another vault is being created here", hint="choose an empty place")
        except UnderstudyError:
            await left_empty(store, ours, names.slot(slot_id.hex()))
            raise
        return await cls.open(store, unlock, state, patience=patience)

    @classmethod
    async def open(
        cls, store: ObjectStore, unlock: Unlock, state: Path | None, *, patience: Patience = _DEFAULT, salvage: bool = False
    ) -> "Vault":
        """Open an existing vault. `state`: the site's state directory; None: for reading only, without a memory.

        `salvage`: for reading only, and past damage in the logs, which `damage` (here and of each log) tells.

        `NotFound`, `AccessDenied`, `IntegrityError`, `RolledBack`, or what the store says.
        """
        described, encoded = await descriptor.read(store)
        unlocked = await unlock_vault(store, described.id, unlock, state)
        memory = await asyncio.to_thread(Memory.of, state, described.id.hex()) if state is not None else None
        copy = await copy_id(store) if memory is not None else ""
        place = Place(store, unlocked.bundle.access(described.id), memory, patience, salvage, copy)
        vault = cls(place, described.created_at, unlocked)
        if memory is None or salvage:
            await vault._settings.refresh()
        else:

            async def read(memory: Memory | None) -> Settings:
                nonlocal vault
                vault = cls(place._replace(memory=memory), described.created_at, unlocked)
                await vault._settings.refresh()
                return vault.settings

            moved = await followed_on(store, memory, read)
            if moved != memory:
                await read(moved)
        if salvage:
            for public in await slot_identities(store):
                vault._settings.must_have_named(public)
        vault._must_be_genuine(encoded)
        return vault

    @classmethod
    async def open_aside(cls, store: ObjectStore, unlock: Unlock, directory: Path, *, patience: Patience = _DEFAULT) -> "Vault":
        """As `open`, with a memory of its own in `directory`, whatever this site has seen: for who promotes a copy, or gives a vault up."""
        described, encoded = await descriptor.read(store)
        unlocked = await unlock_vault(store, described.id, unlock)
        place = Place(store, unlocked.bundle.access(described.id), Memory(directory), patience, copy=await copy_id(store))
        vault = cls(place, described.created_at, unlocked)
        await vault._settings.refresh()
        vault._must_be_genuine(encoded)
        return vault

    async def promote(self, heads: tuple[kinds.LogEnd, ...], where: str) -> None:
        """This copy is the vault from here on; nothing happens if it is already. `Conflict` if it is no copy."""
        if not self._place.copy:
            raise Conflict("this is no copy of a vault", hint="a copy is made by `understudy vault copy create`")
        await self._settings.promote(kinds.Promotion(id=bytes.fromhex(self._place.copy), heads=heads, where=where))

    async def give_up(self, promotion: str, where: str) -> None:
        """Nothing is appended here any more, since a copy was promoted; nothing happens if it was given up for that before."""
        await self._settings.give_up(kinds.Superseded(promotion=bytes.fromhex(promotion), where=where))

    @property
    def id(self) -> str:
        """32 hex digits."""
        return self._place.access.vault_id

    @property
    def store(self) -> ObjectStore:
        return self._place.store

    @property
    def access(self) -> Access:
        return self._place.access

    @property
    def settings(self) -> Settings:
        """As read last."""
        return self._settings.state

    async def refreshed_settings(self) -> Head:
        """Read the settings log to its end, and tell where that is."""
        await self._settings.refresh()
        return self._settings.head

    @property
    def damage(self) -> tuple[tuple[str, str], ...]:
        """Records of the settings log that a salvaging reader had to do without: their objects, and what is wrong with each."""
        return self._settings.damage

    @property
    def identity(self) -> Member:
        """Who opened this vault."""
        return self._settings.state.members[self._bundle.public]

    async def machines(self, ids: Collection[str] | None = None) -> list[MachineState]:
        """All (or those of `ids` that are here), by name. Raises if one cannot be read; `find` still reads the others."""
        return [log.state for log in await self.logs(ids)]

    async def logs(self, ids: Collection[str] | None = None) -> list[MachineLog]:
        """As `machines`: their logs, read to their ends."""
        logs = await self._each([machine_id for machine_id in await self._machine_ids() if ids is None or machine_id in ids])
        return sorted(logs, key=lambda log: (log.state.name, log.machine_id))

    async def ids(self) -> list[str]:
        """Of all machines."""
        return await self._machine_ids()

    async def names(self, ids: Collection[str]) -> dict[str, str]:
        """Of these machines, by id; empty where nothing can be read that tells. Reads no more than that."""
        return await self._named(list(ids))

    async def readable(self, ids: Collection[str]) -> list[MachineState]:
        """Of these machines those that are here and can be read."""
        found = []
        for log in [self._log(machine_id) for machine_id in await self._machine_ids() if machine_id in ids]:
            with contextlib.suppress(IntegrityError, Unsupported):
                await log.refresh()
                found.append(log.state)
        return found

    async def find(self, name_or_id: str) -> MachineLog:
        """A machine's log, read to its end. `NotFound`, or `Conflict` where several have this name.

        By an id no other machine is looked at, however many there are.
        """
        if _MACHINE_ID.fullmatch(name_or_id):
            log = self._log(name_or_id)
            await log.refresh()
            if log.head.seq:
                return log
        ids = await self._machine_ids()
        if name_or_id not in ids:
            named = await self._named(ids)
            ids = [machine_id for machine_id in ids if named.get(machine_id) == name_or_id]
            if not ids:
                raise NotFound(f"there is no machine {name_or_id!r} in this vault", hint=_offer(named))
            if len(ids) > 1:
                raise Conflict(f"{len(ids)} machines are named {name_or_id!r}", hint=f"say which by its id: {', '.join(ids)}")
            name_or_id = ids[0]
        log = self._log(name_or_id)
        await log.refresh()
        return log

    async def protect(self, name: str, site: str) -> MachineLog:
        """Open the log of a new machine. `Conflict` if another one has this name."""
        if not name or len(name.encode()) > 255 or not name.isprintable():
            raise InvalidRequest(f"{name[:40]!r} cannot name a machine")
        await self._settle_openings()
        if name in (await self._named(await self._machine_ids())).values():
            raise Conflict(f"a machine named {name!r} is protected already")
        log = self._log(secrets.token_hex(16))
        await log.append(kinds.Protect(name=name, site=site))
        return log

    async def close(self) -> None:
        await self._place.store.close()

    def _log(self, machine_id: str) -> MachineLog:
        return MachineLog(self._place, machine_id, self._bundle, secrets.token_bytes(16), self._settings)

    async def _each(self, ids: list[str]) -> list[MachineLog]:
        logs = [self._log(machine_id) for machine_id in ids]
        await each(_MOST_AT_ONCE, MachineLog.refresh, logs)
        return logs

    async def _named(self, ids: list[str]) -> dict[str, str]:
        """Names by machine id, from the first record alone; a machine whose first record cannot be read has none."""
        return dict(zip(ids, await each(_MOST_AT_ONCE, lambda machine_id: self._log(machine_id).opened_as(), ids), strict=True))

    async def _machine_ids(self) -> list[str]:
        """`RolledBack` if a machine is missing that this site has seen. One listing of one page a machine, and some more."""
        known = await asyncio.to_thread(self._place.memory.guarded_machines) if self._place.memory is not None else []
        ids = await self._machines_below(names.MACHINES, "", FEW)
        if len(ids) == FEW:
            # One after the other they would take as many round trips as there are machines. Ids are random: their first digits part them.
            prefixes = [f"{names.MACHINES}{digit}" for digit in string.hexdigits[:16] if digit >= ids[-1][0]]
            after = _past(ids[-1])
            for found in await each(_MOST_AT_ONCE, lambda prefix: self._machines_below(prefix, after), prefixes):
                ids += found
        for missing in set(known) - set(ids):
            assert self._place.memory is not None
            seen = await asyncio.to_thread(guard.remembered, self._place.memory.guard(names.machine(missing)))
            raise guard.rolled_back(names.machine(missing), seen, 0)
        return ids

    async def _machines_below(self, prefix: str, after: str, most: int | None = None) -> list[str]:
        """Ids in order: all of machines whose objects' names begin so and come after `after`, or the first `most` of them."""
        ids: list[str] = []
        while most is None or len(ids) < most:
            async with aclosing(self._next_machine(prefix, after)) as found:
                machine_id = await anext(found, None)
            if machine_id is None:
                break
            ids.append(machine_id)
            after = _past(machine_id)
        return ids

    async def _next_machine(self, prefix: str, after: str) -> AsyncGenerator[str, None]:
        async for info in self._place.store.list(prefix, after):
            machine_id = info.name.split("/")[1]
            if _MACHINE_ID.fullmatch(machine_id) and info.name.startswith(names.log(names.machine(machine_id))):
                yield machine_id

    async def _heads(self) -> tuple[kinds.SignedUpTo, ...]:
        """How far each machine's log can be read now. One that ends in nonsense must not keep the key that wrote it from being revoked."""
        heads = []
        for log in [self._log(machine_id) for machine_id in await self._machine_ids()]:
            with contextlib.suppress(IntegrityError, Unsupported):
                await log.refresh()
            heads.append(kinds.SignedUpTo(machine=bytes.fromhex(log.machine_id), seq=log.head.seq))
        return tuple(heads)

    async def _settle_openings(self) -> None:
        """A protect that was left in doubt, perhaps by a run that was killed, must not appear beside its repetition."""
        memory = self._place.memory
        for machine_id in await asyncio.to_thread(memory.appended) if memory is not None else []:
            log = self._log(machine_id)
            if log.in_doubt:
                await log.settle()

    def _must_be_genuine(self, encoded: bytes) -> None:
        """The credential, the descriptor and the settings log must belong together."""
        settings, bundle = self.settings, self._bundle
        lost = settings.gapped and not settings.descriptor  # the genesis itself cannot be read
        told = (settings.descriptor, settings.recovery_public, settings.recovery_generation)
        if not lost and told != (descriptor.digest(encoded), bundle.recovery_public, bundle.recovery_generation):
            raise IntegrityError(
                "this vault's descriptor and settings are not those that this key was made for", hint="use an untouched copy of the vault"
            )
        private = self.access.recovery_private.get(bundle.recovery_generation)
        if private is not None and bytes(PrivateKey(private).public_key) != bundle.recovery_public:
            raise IntegrityError("this key slot's recovery key pair does not fit together")
        member = settings.members.get(bundle.public)
        if member is None or member.revoked is not None or member.role != bundle.role:
            raise AccessDenied(
                f"the key of {bundle.role} {bundle.name!r} is not, or no longer, trusted by this vault",
                hint="an operator can add a new one",
            )


def _past(machine_id: str) -> str:
    """After all of this machine's objects, and before those of any other: the character after the slash."""
    return names.machine(machine_id) + "0"


def _offer(known: Mapping[str, str]) -> str:
    """`known`: names by id; empty where a log's first record cannot be read."""
    some = sorted(name for name in known.values() if name)[:10]
    nameless = sorted(machine_id for machine_id, name in known.items() if not name)[:10]
    lost = f"; the name of {', '.join(nameless)} cannot be read: say that id, if it is the one" if nameless else ""
    return (f"it has {', '.join(some)}" if some else "it has none yet" if not known else "") + lost
