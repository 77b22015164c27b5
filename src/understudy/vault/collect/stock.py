"""What a machine's part of the store holds, and what of it kept points need."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from understudy.native.layout import KIND_ZERO
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.collect.decide import SPARSE, Stored
from understudy.vault.collect.marks import Marks
from understudy.vault.concurrent import each
from understudy.vault.log.state import MachineState
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.points import PointEntry
from understudy.vault.maps.resolve import resolve
from understudy.vault.packs.pack_layout import HEADER_SIZE, TRAILER_SIZE
from understudy.vault.packs.pack_source import PackSource

KINDS = ("packs", "maps", "objects")
IN_FLIGHT = 8


@dataclass(frozen=True, slots=True)
class Stock:
    """`objects`: bytes by name, as condemnations have names. `records`: how many, and their bytes."""

    objects: Mapping[str, int]
    records: tuple[int, int]


async def stock_of(store: ObjectStore, machine_id: str) -> Stock:
    """One listing. What is no object of ours is passed over."""
    owner = names.machine(machine_id) + "/"
    objects: dict[str, int] = {}
    count = size = 0
    async for info in store.list(owner):
        name = info.name.removeprefix(owner)
        kind, _, rest = name.partition("/")
        if kind == "log":
            count, size = count + 1, size + info.size
        elif kind in KINDS and len(rest) == (64 if kind == "objects" else 32) and set(rest) <= set("0123456789abcdef"):
            objects[name] = info.size
    return Stock(objects, (count, size))


async def needed(history: History, table: PackTable, marks: Marks) -> dict[int, Stored]:
    """All packs that kept points need something of. Reads the footers of those that look sparse: frames may be as small as their rows."""
    source = PackSource(history)

    async def measure(index: int) -> Stored:
        pack, wanted = table.packs[index], marks.of(index).needed()
        payload = pack.size - HEADER_SIZE - TRAILER_SIZE
        if wanted < SPARSE * payload:
            frames = (await source.footer(pack)).frames
            payload = int(frames["length"][frames["kind"] != KIND_ZERO].sum())
        return Stored(pack.id, pack.seq, payload, wanted)

    indexes = marks.packs()
    return dict(zip(indexes, await each(IN_FLIGHT, measure, indexes), strict=True))


async def held(history: History, state: MachineState, table: PackTable) -> set[int]:
    """Packs that held points need: whoever holds a point may have been reading it for long, by maps of before."""
    found: set[int] = set()
    for point in {hold.point for hold in state.holds} & {entry.point.id for entry in state.points}:
        for disk in (await resolve(history, point)).disks.values():
            found.update(table.index(disk.packs[index]) for index in np.unique(disk.rows["pack"]).tolist())
    return found


async def named(history: History) -> set[bytes]:
    """Ids of the packs that points name, kept or dropped, as far as the log still tells of them."""
    plain = replace(history, maps={})

    async def of(entry: PointEntry) -> list[bytes]:
        if entry.point.packs_in is None:
            return [pack.id for pack in entry.point.packs]
        return [pack.id for pack in await plain.packs_of(replace(entry, inlined=0))]

    return {pack for packs in await each(IN_FLIGHT, of, history.entries) for pack in packs}
