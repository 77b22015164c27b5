"""Key slots and identities: who can open the vault, and as what."""

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from understudy.errors import AccessDenied, Conflict, IntegrityError, NotFound
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import kinds, names
from understudy.vault.keys.identity import Bundle, Role
from understudy.vault.keys.slot import MAX_SLOT, SlotHeader, read_header, unwrap, wrap
from understudy.vault.keys.unlock import Unlock
from understudy.vault.log.chain import Place
from understudy.vault.log.patience import create_patiently
from understudy.vault.log.settings import Settings
from understudy.vault.log.settings_log import SettingsLog
from understudy.vault.memory import vaults_known

Heads: TypeAlias = Callable[[], Awaitable[tuple[kinds.SignedUpTo, ...]]]
"""Tells how far each machine's log is whole now."""

_SLOT_ID = re.compile(r"[0-9a-f]{32}")

WRONG_KEY = "no key slot of this vault opens with the key given"
"""The same words whatever was wrong with it."""
SHOWN = 3
"""Vaults that are named at most."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A key slot as its plain header shows it."""

    id: str
    """32 hex digits."""
    role: Role
    label: str
    opens_with: str
    """passphrase or key-file."""
    identity: bytes
    created_at: int
    current: bool
    """It opened this vault."""
    trusted: bool
    """The settings log knows its identity, under this role and name, and has not revoked it."""


class DamagedSlot(NamedTuple):
    """An object among the key slots that is none, or not any more, by its name there; and why."""

    id: str
    reason: str


class Slots(NamedTuple):
    """`whole`: oldest first."""

    whole: tuple[Slot, ...]
    damaged: tuple[DamagedSlot, ...]


class Removed(NamedTuple):
    """`revoked`: it was the identity's last slot, so what that key signs from now on does not count."""

    slot: Slot
    revoked: bool


class Unlocked(NamedTuple):
    slot_id: str
    bundle: Bundle


async def unlock_vault(store: ObjectStore, vault_id: bytes, unlock: Unlock, state: Path | None = None) -> Unlocked:
    """Try every slot. `AccessDenied` if none opens; `IntegrityError` if that may be because one is damaged.

    `state`: the site's state directory, which knows whether this is the vault that was here before.
    """
    damage: IntegrityError | None = None
    async for slot_id, data in _slots(store):
        if _SLOT_ID.fullmatch(slot_id) is None:
            continue
        try:
            bundle = await asyncio.to_thread(unwrap, vault_id, bytes.fromhex(slot_id), data, unlock)
        except IntegrityError as error:
            damage = error
            continue
        if bundle is not None:
            return Unlocked(slot_id, bundle)
    if damage is not None:
        raise damage
    known = await asyncio.to_thread(vaults_known, state) if state is not None else []
    raise none_opens(vault_id.hex(), known)


def none_opens(vault_id: str, known: Sequence[str]) -> AccessDenied:
    """`known`: ids of the vaults that this site has opened."""
    if vault_id in known or not known:
        return AccessDenied(WRONG_KEY, hint="check the passphrase or key file, and that its slot was not removed or replaced")
    some = ", ".join(known[:SHOWN]) + f" and {len(known) - SHOWN} more" * (len(known) > SHOWN)
    return AccessDenied(
        f"{WRONG_KEY}, and it is none that this site knows: it is vault {vault_id}, and this site has opened {some}",
        hint="is another vault at this address now? Then bring the former one back, or correct the address; "
        "if it is the right one, check the passphrase or key file",
    )


class Keyring:
    """The vault's key slots. Slots come and go without any data being written again.

    Whoever kept a copy of a removed slot can still open that copy: removing a slot takes away the right to write (its identity is
    revoked with its last slot), not what its holder could read until then.
    """

    def __init__(self, place: Place, settings: SettingsLog, bundle: Bundle, slot_id: str, heads: Heads) -> None:
        self._place = place
        self._settings = settings
        self._bundle = bundle
        self._slot_id = slot_id
        self._heads = heads

    async def list(self) -> tuple[Slot, ...]:
        """All that are whole, oldest first."""
        return (await self.survey()).whole

    async def survey(self) -> Slots:
        """All slots. Whose a damaged one is nobody knows."""
        await self._settings.refresh()
        whole, damaged = [], []
        async for slot_id, data in _slots(self._place.store):
            try:
                whole.append(self._shown(slot_id, _header(slot_id, data)))
            except IntegrityError as error:
                damaged.append(DamagedSlot(slot_id, error.message))
        return Slots(tuple(sorted(whole, key=lambda slot: (slot.created_at, slot.id))), tuple(damaged))

    async def add(self, role: Role, name: str, unlock: Unlock) -> Slot:
        """A new identity and its first slot. Operators only."""
        self._must_be_operator()
        await self._replace_stillborn(name)
        bundle = self._bundle.sibling(role, name)

        def name_is_free(settings: Settings) -> None:
            if any(member.name == name for member in settings.active()):
                raise Conflict(f"there is a key named {name!r} already", hint="remove it first, or give the new one another name")

        # The record first: an identity without a slot harms nobody, a slot whose records were void would.
        await self._settings.append(kinds.Identity(public=bundle.public, role=role, name=name), name_is_free)
        return await self._write(bundle, unlock)

    async def extend(self, unlock: Unlock) -> Slot:
        """One more slot for the identity that opened this vault."""
        return await self._write(self._bundle, unlock)

    async def rotate(self, slot_id: str, unlock: Unlock) -> Slot:
        """Put a slot that opens with `unlock` in the place of one of our own identity."""
        slot = await self._find(slot_id)
        if slot.identity != self._bundle.public:
            raise AccessDenied(
                f"the slot of {slot.role} {slot.label!r} can be replaced by its holder only",
                hint="open the vault with that key, or remove and add it",
            )
        fresh = await self._write(self._bundle, unlock)
        await self._place.store.delete(names.slot(slot.id))
        if slot.id == self._slot_id:
            self._slot_id = fresh.id
        return fresh

    async def remove(self, slot_id: str) -> Removed:
        """Remove a slot; with the last whole one of an identity its key is revoked first. Operators only, and not the slot in use.

        So the operator key that is in use always remains: the last one cannot be removed.
        """
        self._must_be_operator()
        await self._settings.settle()  # a removal that was killed may have revoked the key already
        slots = await self.list()
        slot = await self._find(slot_id)
        if slot.id == self._slot_id:
            raise Conflict(
                f"the slot of {slot.label!r} is the one that opened this vault",
                hint="open it with another operator key; the last one cannot be removed",
            )
        last = slot.trusted and sum(other.identity == slot.identity for other in slots) == 1
        if last:
            await self._revoke(slot.identity)
        await self._place.store.delete(names.slot(slot.id))
        return Removed(slot, last)

    async def _revoke(self, public: bytes) -> None:
        def trusted(settings: Settings) -> None:
            if settings.members[public].revoked is not None:
                raise Conflict("somebody else has removed this key just now", hint="see what is left: understudy vault key list")

        await self._settings.append(kinds.Revoke(public=public, heads=await self._heads()), trusted)

    async def _replace_stillborn(self, name: str) -> None:
        """A killed `add`, or one in doubt, may have left an identity without any slot; its key is lost, and its name must be free again.

        A damaged slot may be its slot, and may be mended.
        """
        await self._settings.settle()
        public = next((member.public for member in self._settings.state.active() if member.name == name), None)
        if public is None:
            return
        slots = await self.survey()
        if not slots.damaged and all(slot.identity != public for slot in slots.whole):
            await self._revoke(public)

    async def _write(self, bundle: Bundle, unlock: Unlock) -> Slot:
        """Store a slot, and prove that it opens before anything relies on it."""
        slot_id = secrets.token_bytes(16)
        vault_id = bytes.fromhex(self._place.access.vault_id)
        data = await write_slot(self._place, slot_id, bundle, unlock)
        stored = bytes(await self._place.store.get(names.slot(slot_id.hex()), 0, MAX_SLOT + 1))
        if stored != data or await asyncio.to_thread(unwrap, vault_id, slot_id, stored, unlock) != bundle:
            raise IntegrityError(f"key slot {slot_id.hex()} does not open right after it was written")
        return self._shown(slot_id.hex(), read_header(slot_id, stored))

    async def _find(self, slot_id: str) -> Slot:
        for slot in await self.list():
            if slot.id == slot_id:
                return slot
        raise NotFound(f"there is no key slot {slot_id}")

    def _must_be_operator(self) -> None:
        if self._bundle.role != "operator":
            raise AccessDenied("the role source may not manage keys", hint="open the vault with an operator's key")

    def _shown(self, slot_id: str, header: SlotHeader) -> Slot:
        member = self._settings.state.members.get(header.identity)
        trusted = member is not None and member.revoked is None and (member.role, member.name) == (header.role, header.label)
        current = slot_id == self._slot_id
        return Slot(slot_id, header.role, header.label, header.opens_with, header.identity, header.created_at, current, trusted)


async def write_slot(place: Place, slot_id: bytes, bundle: Bundle, unlock: Unlock) -> bytes:
    """Store a key slot under its random id; its bytes."""
    data = await asyncio.to_thread(wrap, bytes.fromhex(place.access.vault_id), slot_id, bundle, unlock, time.time_ns())
    if await create_patiently(place.store, names.slot(slot_id.hex()), data, place.patience) is Creation.EXISTS:
        raise IntegrityError(f"another object has the random name {names.slot(slot_id.hex())}")
    return data


async def slot_identities(store: ObjectStore) -> list[bytes]:
    """The public keys that have a whole key slot, as the slots' plain headers say."""
    found: list[bytes] = []
    async for slot_id, data in _slots(store):
        with contextlib.suppress(IntegrityError):
            found.append(_header(slot_id, data).identity)
    return found


async def _slots(store: ObjectStore) -> AsyncIterator[tuple[str, bytes]]:
    """By what follows `keys/` in its name, every object there; without those that somebody takes away just now."""
    async for info in store.list(names.KEYS):
        try:
            data = bytes(await store.get(info.name, 0, MAX_SLOT + 1))
        except NotFound:
            continue
        yield info.name.removeprefix(names.KEYS), data


def _header(slot_id: str, data: bytes) -> SlotHeader:
    if _SLOT_ID.fullmatch(slot_id) is None:
        raise IntegrityError(f"the object {names.KEYS}{slot_id} is no key slot", hint="an operator may delete it")
    return read_header(bytes.fromhex(slot_id), data)
