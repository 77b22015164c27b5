"""Where to begin in a log whose first records were trimmed: at the newest trim that an operator signed."""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from understudy.errors import IntegrityError, NotFound
from understudy.vault import kinds, names
from understudy.vault.concurrent import each
from understudy.vault.log.chain import WINDOW, Place
from understudy.vault.log.judge import Record
from understudy.vault.log.record import MAX_RECORD, Head, Opened, open_record
from understudy.vault.log.side_object import get_side_object
from understudy.vault.log.trim_state import PURPOSE, TrimState, decode_state


class Anchor(NamedTuple):
    """The record to go on after, and the fold up to it."""

    head: Head
    state: TrimState


async def listed(place: Place, owner: str, after: int = 0) -> list[tuple[int, int]]:
    """The numbers and sizes of the records that there are, ascending; what is no record's name is passed over."""
    found = place.store.list(names.log(owner), names.record(owner, after))
    return [(number, info.size) async for info in found if (number := names.number_of(owner, info.name)) is not None]


async def find_anchor(place: Place, owner: str, judge: Callable[[Opened], Record], beyond: int) -> Anchor | None:
    """The newest usable trim that speaks of more than record `beyond`; None if there is none.

    Every record that it does not speak of must be there: what is left of those before, half deleted or put there too late by a
    writer that had stalled, does not matter. A salvaging reader takes what it finds. `IntegrityError` if the state that it names
    cannot be read.
    """
    numbers = [number for number, _ in await listed(place, owner)]
    first = len(numbers) - 1
    while first > 0 and numbers[first - 1] == numbers[first] - 1:
        first -= 1
    if not numbers:
        return None
    begin = 0 if place.salvage else first
    damage: IntegrityError | None = None
    async for seq, trim in _trims(place, owner, judge, numbers[begin:]):
        if beyond < trim.up_to < seq and (place.salvage or numbers[first] - 1 <= trim.up_to):
            try:
                state = decode_state(await get_side_object(place.store, place.access, owner, PURPOSE, trim.state))
            except IntegrityError as error:
                damage = damage or error
                continue
            return Anchor(Head(trim.up_to, trim.hash), state)
    if damage is not None:
        raise damage
    return None


async def _trims(place: Place, owner: str, judge: Callable[[Opened], Record], numbers: list[int]) -> AsyncIterator[tuple[int, kinds.Trim]]:
    """Newest first. What is damaged is passed over here: who reads on from a trim meets it again."""
    for end in range(len(numbers), 0, -WINDOW):
        window = numbers[max(0, end - WINDOW) : end]
        for seq, data in reversed(list(zip(window, await each(WINDOW, lambda seq: _content(place, owner, seq), window), strict=True))):
            try:
                body = judge(open_record(place.access, owner, seq, b"", data)).body
            except IntegrityError:
                continue
            if isinstance(body, kinds.Trim):
                yield seq, body


async def _content(place: Place, owner: str, seq: int) -> bytes:
    try:
        return bytes(await place.store.get(names.record(owner, seq), 0, MAX_RECORD + 1))
    except NotFound:
        return b""
