"""Store a finished pack, through transient failures; take it back where it came to nothing."""

import contextlib
from collections.abc import Iterable, Sequence

from understudy.errors import UnderstudyError
from understudy.model import BytesLike
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.kinds import PackRef
from understudy.vault.log.patience import Patience, create_new_patiently

ATTEMPTS = 8
FIRST_DELAY = 0.2  # seconds, doubled each time: some 20 s in all before a cycle is given up and merged back, and its uploads with it


async def store_pack(store: ObjectStore, name: str, buffers: Sequence[BytesLike]) -> None:
    """`StoreUnavailable` after the last attempt: the pack may exist and is garbage; `StoreRefused` at once."""
    await create_new_patiently(store, name, buffers, Patience(ATTEMPTS, FIRST_DELAY))


async def take_back(store: ObjectStore, machine_id: str, packs: Iterable[PackRef]) -> None:
    """Delete packs that no record names or ever will: cycles that fail one after the other must not fill the store up. What this key
    may not delete, or the store does not now, is left to collection."""
    if not store.capabilities.deletes:
        return
    with contextlib.suppress(UnderstudyError):
        for pack in packs:
            await store.delete(names.pack(machine_id, pack.id.hex()))
