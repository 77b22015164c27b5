"""Packs are what they were when they were stored: proven by the hash that each ends with, without any key."""

import asyncio
import time
from hashlib import blake2b

from understudy.errors import IntegrityError, NotFound
from understudy.model import Data
from understudy.recovery.lanes import each, spread
from understudy.recovery.progress import Listener, Meter, unheard
from understudy.recovery.slots import damaged_slots
from understudy.recovery.unreadable import UNREADABLE
from understudy.recovery.verdict import Damage, Verified
from understudy.store.protocol import ObjectInfo, ObjectStore
from understudy.vault import descriptor, names
from understudy.vault.packs import pack_layout

LANES = 3
"""Packs in memory at once, or as many more as are worth it over a long link."""
IN_MEMORY = 48 << 20
"""Bytes of them together. Each is at most 64 MiB, usually no more than 16."""


def lanes(store: ObjectStore) -> int:
    return max(LANES, store.capabilities.parallel)


async def scrub_vault(store: ObjectStore, listener: Listener = unheard) -> Verified:
    """Examine descriptor and key slots, and every pack and side object that is listed, of all machines. What is missing only logs can tell.

    `NotFound` where there is no descriptor: an empty place is no whole vault.
    """
    began = time.monotonic()
    damage: dict[str, Damage] = {}
    try:
        descriptor.decode(bytes(await store.get(names.DESCRIPTOR, 0, 1 << 16)))
    except NotFound as error:
        raise NotFound("there is no vault here", hint="check the address") from error
    except IntegrityError as error:
        damage[names.DESCRIPTOR] = Damage(names.DESCRIPTOR, error.message)
    damage.update({found.name: found for found in [slot async for slot in damaged_slots(store)]})
    objects = [info async for info in store.list(names.MACHINES) if _expected(info.name) is not None]
    meter = Meter(listener, "scrub", "", sum(info.size for info in objects))

    async def examine(info: ObjectInfo) -> None:
        try:
            await asyncio.to_thread(_check, info.name, await store.get(info.name, 0, pack_layout.PACK_SIZE_MAX + 1))
        except UNREADABLE as error:
            if isinstance(error, NotFound) and await store.head(info.name) is None:
                return  # deleted since it was listed
            damage[info.name] = Damage(info.name, error.message)
        meter.add(info.size)

    await spread(each(objects), examine, lanes(store), lambda info: info.size, IN_MEMORY)
    found = tuple(damage[name] for name in sorted(damage))
    return Verified("scrub", (), found, len(objects), meter.done, time.monotonic() - began)


def _expected(name: str) -> tuple[str, bytes] | None:
    """Kind and id of an object that proves itself; None for other kinds."""
    parts = name.split("/")
    if len(parts) != 4 or parts[2] not in ("packs", "objects"):
        return None
    # Anything else has not been written by us: nothing says what it should be.
    digits = 32 if parts[2] == "packs" else 64
    if len(parts[3]) != digits or not set(parts[3]) <= set("0123456789abcdef"):
        return None
    return parts[2], bytes.fromhex(parts[3])


def _check(name: str, data: Data) -> None:
    expected = _expected(name)
    assert expected is not None
    kind, identity = expected
    if kind == "packs":
        pack_layout.scrub(identity, data)
    elif blake2b(data, digest_size=len(identity)).digest() != identity:
        raise IntegrityError(f"object {identity.hex()}: its bytes do not have the hash that names it")
