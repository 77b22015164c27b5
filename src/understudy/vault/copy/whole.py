"""Is all there that the kept points of a machine are read from? By names and sizes alone: that packs are what they were a scrub tells."""

from typing import NamedTuple

from understudy.errors import IntegrityError
from understudy.vault import names
from understudy.vault.collect.placed import look
from understudy.vault.collect.stock import stock_of
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.checkpoint_read import read_directory
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault


class Lack(NamedTuple):
    """An object, by name, and what is wrong with it."""

    name: str
    reason: str


async def lacks(vault: Vault, log: MachineLog) -> tuple[Lack, ...]:
    """Of a log that was read. One listing of the machine's objects, and the pages of its newest repack's maps."""
    history, found = history_of(vault, log), list[Lack]()
    stock = (await stock_of(vault.store, log.machine_id)).objects
    table = PackTable()
    sizes: dict[str, int | None] = {}
    laid, bases = _laid(history)
    for entry in laid:
        try:
            packs = await history.packs_of(entry)
        except IntegrityError as error:
            found.append(Lack(names.record(names.machine(log.machine_id), entry.seq), error.message))
            continue
        sizes.update((f"packs/{pack.id.hex()}", pack.size) for pack in packs if not pack.seq)
    known = set[tuple[bytes, int]]()
    for point in bases:
        checkpoint = history.maps[point]
        try:
            directory = await read_directory(history, checkpoint)
            sizes.update((f"maps/{object_.id.hex()}", None) for object_ in directory.objects)
            await look(history, checkpoint, table, known)
        except IntegrityError as error:
            found.append(Lack(names.checkpoint(log.machine_id, checkpoint.id.hex()), error.message))
    sizes.update((f"packs/{pack.id.hex()}", pack.size) for pack in table.packs if not pack.seq)
    found += [
        Lack(
            f"{names.machine(log.machine_id)}/{name}",
            "is missing" if name not in stock else f"has {stock[name]} bytes, and should have {size}",
        )
        for name, size in sorted(sizes.items())
        if name not in stock or (size is not None and stock[name] != size)
    ]
    return (*(Lack(lost.object, lost.reason) for lost in log.state.lost), *found)


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
