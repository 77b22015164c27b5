"""Store a finished pack, through transient failures; take it back where it came to nothing."""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Sequence

from understudy.errors import IntegrityError, StoreUnavailable, UnderstudyError
from understudy.model import BytesLike
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import names
from understudy.vault.kinds import PackRef

ATTEMPTS = 5
FIRST_DELAY = 0.2  # seconds, doubled each time, with full jitter: about 3 s in all before a cycle is given up and merged back


async def store_pack(store: ObjectStore, name: str, buffers: Sequence[BytesLike], size: int) -> None:
    """`StoreUnavailable` after the last attempt: the pack may exist and is garbage; `StoreRefused` at once."""
    for attempt in range(ATTEMPTS):
        try:
            outcome = await store.create(name, buffers)
        except StoreUnavailable:
            if attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(FIRST_DELAY * 2**attempt * random.uniform(0.5, 1.0))
            continue
        if outcome is Creation.EXISTS:
            await _must_be_ours(store, name, size, retried=attempt > 0)
        return


async def take_back(store: ObjectStore, machine_id: str, packs: Iterable[PackRef]) -> None:
    """Delete packs that no record names or ever will: cycles that fail one after the other must not fill the store up. What this key
    may not delete, or the store does not now, is left to collection."""
    with contextlib.suppress(UnderstudyError):
        for pack in packs:
            await store.delete(names.pack(machine_id, pack.id.hex()))


async def _must_be_ours(store: ObjectStore, name: str, size: int, *, retried: bool) -> None:
    """A pack's name is random: it can only exist because an earlier attempt took effect unseen."""
    found = await store.head(name)
    if not retried or found is None or found.size != size:
        raise IntegrityError(
            f"an object that nobody should have written exists as {name}",
            hint="the store answers wrongly, or something else writes into this vault; nothing of this cycle was committed",
        )
