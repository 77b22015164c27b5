"""Is all there that the kept points of a machine are read from? By names and sizes alone: that packs are what they were a scrub tells."""

from collections.abc import Iterable
from typing import NamedTuple

from understudy.errors import IntegrityError
from understudy.vault import names
from understudy.vault.collect.placed import look
from understudy.vault.collect.stock import stock_of
from understudy.vault.copy.wanted import Wanted, older, side
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.checkpoint_read import read_directory
from understudy.vault.maps.diskmap import PackAt, PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault


class Lack(NamedTuple):
    """An object, by name, and what is wrong with it."""

    name: str
    reason: str


class Needs(NamedTuple):
    """What kept points are read from: `there`, by name, and what `lacks`."""

    there: tuple[Wanted, ...]
    lacks: tuple[Lack, ...]


async def lacks(vault: Vault, log: MachineLog) -> tuple[Lack, ...]:
    return (await needs(vault, log)).lacks


async def needs(vault: Vault, log: MachineLog) -> Needs:
    """Of a log that was read. One listing of the machine's objects, and the pages of its newest repack's maps."""
    history, found, owner = history_of(vault, log), list[Lack](), names.machine(log.machine_id)
    stock = (await stock_of(vault.store, log.machine_id)).objects
    table = PackTable()
    wanted: dict[str, Wanted] = {}
    laid, bases = _laid(history)
    for entry in laid:
        try:
            packs = await history.packs_of(entry)
        except IntegrityError as error:
            ref = entry.point.packs_in
            found.append(
                Lack(names.side_object(owner, ref.hash.hex()) if ref is not None else names.record(owner, entry.seq), error.message)
            )
            continue
        wanted |= _packs(log.machine_id, packs)
    known = set[tuple[bytes, int]]()
    for point in bases:
        checkpoint = history.maps[point]
        try:
            directory = await read_directory(history, checkpoint)
            wanted |= {f"maps/{object_.id.hex()}": older(log.machine_id, object_) for object_ in directory.objects}
            await look(history, checkpoint, table, known)
        except IntegrityError as error:
            found.append(Lack(names.checkpoint(log.machine_id, checkpoint.id.hex()), error.message))
    wanted |= _packs(log.machine_id, table.packs)
    if log.state.named is not None:
        wanted |= {f"objects/{ref.hash.hex()}": side(owner, ref) for ref in log.refs}
    told = {lack.name for lack in found} | {lost.object for lost in log.state.lost}
    found += [
        Lack(one.name, "is missing" if name not in stock else f"has {stock[name]} bytes, and should have {one.size}")
        for name, one in sorted(wanted.items())
        if one.name not in told and (name not in stock or (one.size is not None and stock[name] != one.size))
    ]
    told |= {lack.name for lack in found}
    there = sorted(one for one in wanted.values() if one.name not in told)
    return Needs(tuple(there), (*(Lack(lost.object, lost.reason) for lost in log.state.lost), *found))


def _packs(machine_id: str, packs: Iterable[PackAt]) -> dict[str, Wanted]:
    """By name below the machine's; those that travel in records are none of the store's."""
    return {f"packs/{pack.id.hex()}": Wanted(names.pack(machine_id, pack.id.hex()), pack.size, pack.hash) for pack in packs if not pack.seq}


def _laid(history: History) -> tuple[list[PointEntry], list[bytes]]:
    """The points whose packs kept points are laid from, and those where a map spares what lies below."""
    by_id = {entry.point.id: entry for entry in history.entries}
    seen, laid, bases = set[bytes](), list[PointEntry](), list[bytes]()
    for kept in history.points:
        at = kept.point.id
        while at and at not in seen:
            seen.add(at)
            if at in history.maps:
                bases.append(at)
                break
            entry = by_id.get(at)
            if entry is None:
                break
            laid.append(entry)
            at = entry.point.parent
    return laid, bases
