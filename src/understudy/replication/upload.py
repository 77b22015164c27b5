"""Store a finished pack, through transient failures."""

import asyncio
import random
from collections.abc import Sequence

from understudy.errors import IntegrityError, StoreUnavailable
from understudy.model import BytesLike
from understudy.store.protocol import Creation, ObjectStore

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


async def _must_be_ours(store: ObjectStore, name: str, size: int, *, retried: bool) -> None:
    """A pack's name is random: it can only exist because an earlier attempt took effect unseen."""
    found = await store.head(name)
    if not retried or found is None or found.size != size:
        raise IntegrityError(
            f"an object that nobody should have written exists as {name}",
            hint="the store answers wrongly, or something else writes into this vault; nothing of this cycle was committed",
        )
