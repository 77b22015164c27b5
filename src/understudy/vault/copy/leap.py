"""A copy's log goes over many records at once, where it is not whole in between: what some of them name was deleted since.

All of them are staged beside the log first. Then one object says from which to which the log goes: of those that bring the copy on and
those that promote it one gets the next number, and after a promotion nobody does. Then the last record comes into the log, and the
others behind it: readers that miss one there find it where it is staged (`log.staged`). Killed at any moment, who comes next ends it.
"""

import contextlib
from typing import Annotated

import msgspec

from understudy.errors import Diverged, IntegrityError, NotFound
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import names
from understudy.vault.concurrent import each
from understudy.vault.copy.ferry import MOST_AT_ONCE, diverged
from understudy.vault.descriptor import digest
from understudy.vault.log.patience import Patience, create_patiently
from understudy.vault.log.record import MAX_RECORD
from understudy.vault.log.staged import staged_sizes
from understudy.vault.malformed import MALFORMED

MAGIC = b"USLEAP\0\1\0"
_HASH = 32
_MOST = 4096
_DONE = "-done"
_PATIENCE = Patience()
_Number = Annotated[int, msgspec.Meta(ge=0, lt=10**16)]


class Leap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Records `first` to `last` of the vault's log come into the copy's. `promotion`: the copy was promoted, and none follows."""

    first: _Number = 0
    last: _Number = 0
    promotion: bytes = b""


class Taken(msgspec.Struct, frozen=True):
    """The newest leap, `number` 0 if there is none. `done`: its records are in the log, and `leap` is empty if it does not read."""

    number: int
    leap: Leap
    done: bool


def encode(leap: Leap) -> bytes:
    """magic || MessagePack || BLAKE2b-256 of all before."""
    data = MAGIC + msgspec.msgpack.encode(leap, order="deterministic")
    return data + digest(data)


def decode(data: bytes) -> Leap:
    """`IntegrityError` for anything else."""
    try:
        if not data.startswith(MAGIC) or digest(data[:-_HASH]) != data[-_HASH:]:
            raise ValueError("it is damaged")
        return msgspec.msgpack.decode(data[len(MAGIC) : -_HASH], type=Leap)
    except (ValueError, *MALFORMED) as error:
        hint = "a new copy can be made in an empty place; what is in this one can be restored from"
        raise IntegrityError(f"what says how far the copy's log goes does not read: {error}", hint=hint) from error


async def newest(target: ObjectStore, owner: str) -> Taken:
    """One listing, and the object."""
    prefix, last, done = names.leaps(owner), "", False
    async for info in target.list(prefix):
        name = info.name.removeprefix(prefix)
        last, done = name.removesuffix(_DONE), name.endswith(_DONE)
    if not last:
        return Taken(0, Leap(), True)
    if not last.isdecimal():
        raise diverged(prefix + last)
    try:
        return Taken(int(last), decode(bytes(await target.get(prefix + last, 0, _MOST))), done)
    except (IntegrityError, NotFound):
        if not done:
            raise
        return Taken(int(last), Leap(), True)  # Nobody needs it any more: a promotion's is never done.


async def end_leap(target: ObjectStore, owner: str) -> Taken:
    """Whatever was begun is done when this returns."""
    taken = await newest(target, owner)
    if not taken.done and not taken.leap.promotion:
        await _fill(target, owner, taken)
    return taken


async def leap(target: ObjectStore, owner: str, over: Leap, after: int) -> bool:
    """All of these records are staged; when this returns they are in the log. `after`: the number of the newest leap when the log's end
    was looked for. False if there is another by now: look again, since what was staged may be gone.

    `Diverged` if a promotion of the copy was begun, which may end at any time.
    """
    taken = await end_leap(target, owner)
    if taken.leap.promotion:
        raise Diverged(
            "a promotion of this copy was begun, or it was promoted: its log goes on no more",
            hint="if it was promoted, it is the vault now: name it as that. If it did not end, `understudy vault promote` goes on with "
            "it; if the old vault is to stay, make a new copy in an empty place",
        )
    if taken.number != after:
        return False
    mine = Taken(after + 1, over, False)
    if await create_patiently(target, _name(owner, mine.number), encode(over), _PATIENCE) is Creation.EXISTS:
        return False
    await _fill(target, owner, mine)
    return True


async def close_leaps(target: ObjectStore, owner: str, promotion: bytes) -> None:
    """What was begun is done, and nothing begins any more: who has not heard of the promotion finds the next number taken."""
    closed = Leap(promotion=promotion)
    while True:
        taken = await end_leap(target, owner)
        if taken.leap == closed:
            return
        await create_patiently(target, _name(owner, taken.number + 1), encode(closed), _PATIENCE)


async def drop_staged(target: ObjectStore, owner: str, trimmed: int) -> int:
    """Delete what was staged for leaps that are done, if it is in the log, or was trimmed: up to record `trimmed`. How many went."""
    taken = await newest(target, owner)
    if not taken.done:
        return 0
    gone, staged = 0, await staged_sizes(target, owner)
    there = {names.number_of(owner, info.name) async for info in target.list(names.log(owner))} if staged else set[int | None]()
    for seq in sorted(staged):
        if seq <= trimmed or (seq in there and seq <= taken.leap.last):
            gone += await target.delete(names.staged(owner, seq))
    return gone


async def _fill(target: ObjectStore, owner: str, taken: Taken) -> None:
    """The last one first: from then on readers know of all of them.

    One that is neither staged nor there, and has a record behind it, came in otherwise, and was trimmed since. `NotFound` if there is
    none behind it, `Diverged` if the log has something else in the place of one that is staged; nothing was done then.
    """
    first, last = taken.leap.first, taken.leap.last
    staged = await staged_sizes(target, owner)
    there = {names.number_of(owner, info.name) or 0 async for info in target.list(names.log(owner), names.record(owner, first - 1))}
    behind = max(there, default=0)
    at_once = max(1, min(target.capabilities.parallel, MOST_AT_ONCE))
    lost = [seq for seq in range(max(first, behind + 1), last + 1) if seq not in staged]
    if lost and not await _goes_on(target, owner, lost[0]):
        hint = "a new copy can be made in an empty place; what is in this one can be restored from"
        raise NotFound(f"the copy lacks {names.staged(owner, lost[0])}, with which its log was to go on", hint=hint)

    async def compare(seq: int) -> None:
        with contextlib.suppress(NotFound):  # trimmed, or ended by somebody else, just now
            if await target.get(names.record(owner, seq), 0, MAX_RECORD + 1) != await target.get(
                names.staged(owner, seq), 0, MAX_RECORD + 1
            ):
                raise diverged(names.record(owner, seq))

    async def put(seq: int) -> None:
        try:
            data = await target.get(names.staged(owner, seq), 0, MAX_RECORD + 1)
        except NotFound:
            if await _goes_on(target, owner, seq):
                return
            raise
        if await create_patiently(target, names.record(owner, seq), data, _PATIENCE) is Creation.EXISTS:
            raise diverged(names.record(owner, seq))

    await each(at_once, compare, [seq for seq in range(first, last + 1) if seq in there and seq in staged])
    if last not in there:
        await put(last)
    await each(at_once, put, [seq for seq in range(first, last) if seq not in there])
    await create_patiently(target, _name(owner, taken.number) + _DONE, MAGIC, _PATIENCE)


async def _goes_on(target: ObjectStore, owner: str, seq: int) -> bool:
    """The log has this record, or one behind it."""
    return await anext(target.list(names.log(owner), names.record(owner, seq - 1)), None) is not None


def _name(owner: str, number: int) -> str:
    return f"{names.leaps(owner)}{number:08d}"
