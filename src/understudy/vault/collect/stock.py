"""What a machine's part of the store holds, and what of it kept points need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from understudy.native.layout import KIND_ZERO
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.collect.decide import SPARSE, Stored
from understudy.vault.collect.marks import Marks
from understudy.vault.concurrent import each
from understudy.vault.log.state import MachineState
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.parts import PointParts
from understudy.vault.maps.points import PointEntry
from understudy.vault.packs.pack_layout import HEADER_SIZE, TRAILER_SIZE
from understudy.vault.packs.pack_source import PackSource

KINDS = ("packs", "maps", "objects")
IN_FLIGHT = 8


class Records(NamedTuple):
    """The log's records that are there, ascending, and the bytes of each."""

    numbers: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, found: Sequence[tuple[int, int]]) -> "Records":
        columns = np.array(found, dtype=np.int64).reshape(-1, 2)
        return cls(columns[:, 0], columns[:, 1])

    def weigh(self, after: int = 0, up_to: int | None = None) -> tuple[int, int]:
        """How many there are after record `after`, up to `up_to`, and their bytes."""
        low = int(np.searchsorted(self.numbers, after, side="right"))
        high = len(self.numbers) if up_to is None else int(np.searchsorted(self.numbers, up_to, side="right"))
        return max(0, high - low), int(self.sizes[low:high].sum())


@dataclass(frozen=True, slots=True)
class Stock:
    """`objects`: bytes by name, as condemnations have names."""

    objects: Mapping[str, int]
    records: Records


async def stock_of(store: ObjectStore, machine_id: str) -> Stock:
    """One listing. What is no object of ours is passed over."""
    owner = names.machine(machine_id) + "/"
    objects: dict[str, int] = {}
    records: list[tuple[int, int]] = []
    async for info in store.list(owner):
        name = info.name.removeprefix(owner)
        kind, _, rest = name.partition("/")
        if kind == "log":
            number = names.number_of(names.machine(machine_id), info.name)
            records += [(number, info.size)] if number is not None else []
        elif kind in KINDS and len(rest) == (64 if kind == "objects" else 32) and set(rest) <= set("0123456789abcdef"):
            objects[name] = info.size
    return Stock(objects, Records.of(records))


async def needed(history: History, table: PackTable, marks: Marks) -> dict[int, Stored]:
    """All packs that kept points need something of. Reads the footers of those that look sparse: frames may be as small as their rows.
    Not of those in records, which go with their record, sparse or not."""
    source = PackSource(history)

    async def measure(index: int) -> Stored:
        pack, wanted = table.packs[index], marks.of(index).needed()
        payload = pack.size - HEADER_SIZE - TRAILER_SIZE
        if not pack.seq and wanted < SPARSE * payload:
            frames = (await source.footer(pack)).frames
            payload = int(frames["length"][frames["kind"] != KIND_ZERO].sum())
        return Stored(pack.id, pack.seq, payload, wanted)

    indexes = marks.packs()
    return dict(zip(indexes, await each(IN_FLIGHT, measure, indexes), strict=True))


async def held(history: History, state: MachineState, table: PackTable) -> set[int]:
    """Packs that held points need: whoever holds a point may have been reading it for long, by maps of before."""
    found: set[int] = set()
    for point in {hold.point for hold in state.holds} & {entry.point.id for entry in state.points}:
        found.update(map(table.index, await (await PointParts.open(history, point)).packs()))
    return found


async def named(history: History) -> set[bytes]:
    """Ids of the packs that points name, kept or dropped, as far as the log still tells of them."""
    plain = replace(history, maps={})

    async def of(entry: PointEntry) -> list[bytes]:
        if entry.point.packs_in is None:
            return [pack.id for pack in entry.point.packs]
        return [pack.id for pack in await plain.packs_of(replace(entry, inlined=0))]

    return {pack for packs in await each(IN_FLIGHT, of, history.entries) for pack in packs}
