"""Is a copy still what was brought there? Some of it is read each time; what is not is taken from the vault again, where that is whole."""

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

from understudy.errors import IntegrityError, NotFound, StoreRefused
from understudy.model import Data
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault import names
from understudy.vault.concurrent import each
from understudy.vault.copy.ferry import MOST, proven
from understudy.vault.copy.trail import opens
from understudy.vault.copy.wanted import Wanted, side
from understudy.vault.copy.whole import Lack, needs
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.patience import BRIEF, create_patiently
from understudy.vault.log.record import MAX_RECORD, record_hash
from understudy.vault.vault import Vault

AT_ONCE = 4


class Sample(NamedTuple):
    """`objects`, `bytes`: that were read. `after`: the last one's name, where the next sample goes on; empty: all were read."""

    objects: int
    bytes: int
    after: str
    bad: tuple[Lack, ...]


async def sample(copy: Vault, log: MachineLog, after: str, most: int, again: Collection[str] = ()) -> Sample:
    """That all is there which kept points need, the maps' pages, and the contents of some packs and side objects: those of `again`, and
    those whose names come after `after`, round and round, `most` bytes of them or one. Names are random, and so is what is read."""
    found = await needs(copy, log)
    bad = list(found.lacks)
    looked = [await _read(copy.store, one) for one in found.there if one.name in again]
    bad += [lack for _, lack in looked if lack is not None]
    there = [one for one in found.there if one.name not in again]
    ring = [one for one in there if one.name > after] + [one for one in there if one.name <= after]
    size = objects = 0
    for one in ring:
        if objects and size + (one.size or 0) > most:
            return Sample(objects, size, after, tuple(bad))
        read, lack = await _read(copy.store, one)
        bad += [lack] if lack is not None else []
        objects, size, after = objects + 1, size + read, one.name
    return Sample(objects, size, "", tuple(bad))


async def _read(store: ObjectStore, one: Wanted) -> tuple[int, Lack | None]:
    try:
        data = await store.get(one.name, 0, (one.size if one.size is not None else MOST) + 1)
        await asyncio.to_thread(proven, one, data)
    except NotFound:
        return 0, Lack(one.name, "is missing")
    except IntegrityError:
        return one.size or 0, Lack(one.name, "is not what was written")
    return len(data), None


async def healed(vault: Vault, log: MachineLog, target: ObjectStore, bad: Collection[str]) -> tuple[Lack, ...]:
    """Objects of a copy (by name) that are not what was written are what they were when this returns, but for those that it gives back,
    each with the reason why not. `log`: the vault's own, read to its end. What the vault has is proven before anything there is touched."""
    ours = await needs(vault, log)
    lost = {lack.name: lack.reason for lack in ours.lacks}
    known = {one.name: one for one in ours.there}
    left = list[Lack]()
    for name in sorted(bad):
        one = known.get(name)
        if one is None:
            left.append(Lack(name, f"the vault itself cannot tell what it should be: {lost.get(name, 'its points do not need it')}"))
            continue
        try:
            data = await vault.store.get(name, 0, (one.size if one.size is not None else MOST) + 1)
            await asyncio.to_thread(proven, one, data)
            await _replaced(target, name, data)
        except (NotFound, IntegrityError) as error:
            left.append(Lack(name, f"the vault's is not whole either: {error.message}"))
        except StoreRefused as error:
            left.append(Lack(name, f"it cannot be replaced: {error.message}"))
    return tuple(left)


async def healed_log(vault: Vault, log: MachineLog, target: ObjectStore) -> int:
    """For a copy whose log does not read: records that open for nobody, or are missing before its end, are the vault's again, as it has
    read them, and so are the side objects that they name. How many.

    One that opens, and is another, was written by somebody: it stays.
    """
    owner = names.machine(log.machine_id)
    there = {seq: info.size async for info in target.list(names.log(owner)) if (seq := names.number_of(owner, info.name)) is not None}
    last = max(there, default=0)

    async def heal(seq: int) -> int:
        name = names.record(owner, seq)
        if seq in there:
            found = bytes(await target.get(name, 0, MAX_RECORD + 1))
            if record_hash(found) == log.hashes[seq] or opens(vault.access, owner, seq, found):
                return 0
        try:
            data = bytes(await vault.store.get(name, 0, MAX_RECORD + 1))
        except NotFound:
            return 0
        if record_hash(data) != log.hashes[seq]:
            return 0
        await _replaced(target, name, data)
        return 1

    # What is missing of what was trimmed is missing on purpose.
    done = sum(await each(AT_ONCE, heal, [seq for seq in log.hashes if seq <= last and (seq in there or seq > log.state.trimmed)]))
    sides = [side(owner, ref) for ref in log.refs]
    bad = {lack.name for _, lack in await each(AT_ONCE, lambda one: _read(target, one), sides) if lack is not None}
    return done + (len(bad) - len(await healed(vault, log, target, bad)) if bad else 0)


async def _replaced(target: ObjectStore, name: str, data: Data) -> None:
    """`StoreRefused` where what lies there cannot be deleted."""
    if await target.head(name) is not None:
        if not target.capabilities.deletes:
            raise StoreRefused(f"its place deletes nothing: delete {name} there", hint="with a right to delete, or from its own side")
        await target.delete(name)
    if await create_patiently(target, name, data, BRIEF) is Creation.EXISTS:
        raise StoreRefused(f"something else came there as {name}", hint="who writes there?")


def told(bad: Sequence[Lack]) -> str:
    """The first, and how many more."""
    more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
    return f"{bad[0].name}: {bad[0].reason}{more}" if bad else ""
