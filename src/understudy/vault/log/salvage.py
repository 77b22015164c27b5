"""Read a damaged log past the damage, for restoring and verifying only: whoever appends must know the whole of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from understudy.errors import IntegrityError, NotFound
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.access import Access
from understudy.vault.concurrent import each
from understudy.vault.log.record import MAX_RECORD, Opened, open_record

WINDOW = 64
"""Records read at once."""
WIDEST = 1 << 20
"""Records missing one after the other that are still believed to have been there: a name further away is not ours."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Records `first` to `last` cannot be read: from there on a reader knows less than the log once said."""

    first: int
    last: int
    reason: str


Found: TypeAlias = Opened | Gap


async def salvaged(store: ObjectStore, access: Access, owner: str, first: int = 1, before: bytes = b"") -> AsyncIterator[Found]:
    """Every record from `first` on that opens, with what lies between. `before`: the hash of the record before `first`.

    A record after a gap does not know what it must follow (`Opened.before` is empty): its own signature must do. A store that does
    not answer raises as always: only what certainly is not there, or is not a record, is a gap.
    """
    wanted, hash_ = first, before
    async for window in _windows(store, owner, first):
        contents = await each(WINDOW, lambda seq: _content(store, owner, seq), window)
        for found in await asyncio.to_thread(_opened, access, owner, wanted, hash_, list(zip(window, contents, strict=True))):
            yield found
            hash_ = found.hash if isinstance(found, Opened) else b""
        wanted = window[-1] + 1


async def _windows(store: ObjectStore, owner: str, first: int) -> AsyncIterator[list[int]]:
    """The numbers of the records that are listed, ascending. What is no record's name, or far away from all others, is passed over."""
    window: list[int] = []
    last = first - 1
    async for info in store.list(names.log(owner), names.record(owner, first - 1)):
        digits = info.name.removeprefix(names.log(owner))
        if len(digits) != 16 or not (digits.isascii() and digits.isdecimal()) or not last < int(digits) <= last + WIDEST:
            continue
        last = int(digits)
        window.append(last)
        if len(window) == WINDOW:
            yield window
            window = []
    if window:
        yield window


async def _content(store: ObjectStore, owner: str, seq: int) -> bytes | None:
    try:
        return bytes(await store.get(names.record(owner, seq), 0, MAX_RECORD + 1))
    except NotFound:
        return None


def _opened(access: Access, owner: str, wanted: int, before: bytes, window: list[tuple[int, bytes | None]]) -> list[Found]:
    found: list[Found] = []
    for seq, data in window:
        if seq > wanted:
            found.append(Gap(wanted, seq - 1, "is missing"))
            before = b""
        wanted = seq + 1
        try:
            if data is None:
                raise IntegrityError("is missing")
            opened = open_record(access, owner, seq, before, data)
        except IntegrityError:
            found.append(Gap(seq, seq, "is missing" if data is None else "is not what was written there: damaged, truncated or exchanged"))
            before = b""
            continue
        found.append(opened)
        before = opened.hash
    return found


def tell(owner: str, gaps: list[Gap]) -> tuple[tuple[str, str], ...]:
    """Each damaged or missing record's object and what is wrong with it; of a long row of them the first few."""
    some = ((seq, gap.reason) for gap in gaps for seq in islice(range(gap.first, gap.last + 1), 8))
    return tuple((names.record(owner, seq), f"record {seq} of {owner} {reason}") for seq, reason in some)
