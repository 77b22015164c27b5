"""The place where a vault is to be: empty before, and again where its creation failed."""

import contextlib
from collections.abc import Mapping

from understudy.errors import Conflict, UnderstudyError
from understudy.store.protocol import ObjectStore
from understudy.vault import names


async def must_be_empty(store: ObjectStore) -> None:
    """A vault can be created there: the store answers, and `Conflict` if anything is in it."""
    if await store.head(names.DESCRIPTOR) is not None:
        raise Conflict("there is a vault here already, which was left alone", hint="use it, or choose an empty place for a new one")
    async for info in store.list(""):
        raise Conflict(
            f"this place is not empty: it holds {info.name}",
            hint="choose an empty one. If an earlier `vault create` was interrupted here, remove what it left: there is no vault yet",
        )


async def left_empty(store: ObjectStore, ours: Mapping[str, bytes], slot: str) -> None:
    """Remove what a `create` that failed has made, the descriptor first, as far as that can be done: then it can be said again."""
    for name, data in reversed(list(ours.items())):
        with contextlib.suppress(UnderstudyError):
            # Another creator's has the same name.
            if await store.get(name, 0, len(data) + 1) == data:
                await store.delete(name)
    with contextlib.suppress(UnderstudyError):
        await store.delete(slot)
