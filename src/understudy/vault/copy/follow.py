"""A vault with promotions that this site has not followed yet, or without one that it has: the one is followed, the other refused."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from understudy.errors import NotFound, RolledBack
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.log import lineage
from understudy.vault.log.record import MAX_RECORD, Head, record_hash
from understudy.vault.log.settings import Promoted, Settings
from understudy.vault.memory import Memory, followed


async def followed_on(store: ObjectStore, memory: Memory, read: Callable[[Memory | None], Awaitable[Settings]]) -> Memory:
    """What this site remembers of the vault from now on. `read` reads the settings log against a memory, or none."""
    try:
        settings = await read(memory)
    except RolledBack:
        # Unless a promotion says why, which follows from the root key: then it is as if it were opened here for the first time.
        settings = await read(None)
        await must_have_followed(memory, settings.promotions)
        moved = await moved_on(store, memory, settings.promotions)
        if moved == memory:
            raise
        return moved
    await must_have_followed(memory, settings.promotions)
    return await moved_on(store, memory, settings.promotions)


async def must_have_followed(memory: Memory, promotions: Sequence[Promoted]) -> None:
    """`RolledBack` if the vault lacks a promotion that this site has followed: it was given up for that copy, or another was promoted."""
    there = {promoted.id.hex() for promoted in promotions}
    missing = [id_ for id_ in await asyncio.to_thread(followed, memory.directory) if id_ not in there]
    if not missing:
        return
    which = "another copy of it was promoted" if there else "it was given up when its copy was promoted"
    raise RolledBack(
        f"this site has followed the promotion of copy {missing[-1]}, which this vault does not know: {which}",
        hint="name the promoted copy as the vault; this one can still be restored from, with --state-dir naming an empty directory",
    )


async def moved_on(store: ObjectStore, memory: Memory, promotions: Sequence[Promoted]) -> Memory:
    """What this site remembers from now on, where the vault has promotions that it has not followed; else `memory` itself.

    `promotions`: those of the vault's settings log, which follows from the root key, oldest first. The caller has seen to it that all that
    this site has followed are among them.
    """
    known = await asyncio.to_thread(followed, memory.directory)
    if not promotions or promotions[-1].id.hex() in known:
        return memory
    newest = promotions[-1]
    if newest.key.hex() in await asyncio.to_thread(lineage.revoked, memory):
        raise RolledBack(
            f"copy {newest.id.hex()} was promoted by {newest.by!r}, whose key was revoked before, as this site has seen",
            hint="find out who did it; another operator can promote another copy",
        )
    seen = {names.SETTINGS: Head(newest.seq, newest.hash)}
    seen |= {names.machine(end.machine.hex()): Head(end.seq, end.hash) for end in newest.heads}
    for owner, mark in (await asyncio.to_thread(lineage.marks, memory)).items():
        # What this site has seen of this very vault counts on.
        if owner in seen and mark.seq > seen[owner].seq and await _has(store, owner, mark):
            seen[owner] = mark
    return await asyncio.to_thread(lineage.move, memory, [promoted.id.hex() for promoted in promotions], seen)


async def _has(store: ObjectStore, owner: str, mark: Head) -> bool:
    try:
        return record_hash(bytes(await store.get(names.record(owner, mark.seq), 0, MAX_RECORD + 1))) == mark.hash
    except NotFound:
        return False
