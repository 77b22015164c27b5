"""Key slots, as far as anybody can prove them without a key."""

from collections.abc import AsyncIterator

from understudy.errors import IntegrityError
from understudy.recovery.unreadable import UNREADABLE
from understudy.recovery.verdict import Damage
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.keys.slot import MAX_SLOT, read_header


async def damaged_slots(store: ObjectStore) -> AsyncIterator[Damage]:
    """Key slots that are not what was written, or a copy of another one. Takes no key."""
    seen: dict[bytes, str] = {}
    async for info in store.list(names.KEYS):
        try:
            data = bytes(await store.get(info.name, 0, MAX_SLOT + 1))
            read_header(slot_id(info.name), data)
            if data in seen:
                raise IntegrityError(f"it is a copy of {seen[data]}")
            seen[data] = info.name
        except UNREADABLE as error:
            yield Damage(info.name, error.message)


def slot_id(name: str) -> bytes:
    try:
        return bytes.fromhex(name.removeprefix(names.KEYS))
    except ValueError:
        raise IntegrityError("is no key slot") from None
