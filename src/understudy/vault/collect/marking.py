"""Everything that is decided from: what is stored, what the log says, and what kept points need, in this order."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import IO, TypeAlias

from understudy.errors import IntegrityError, StateFailed
from understudy.vault.collect.decide import Decision, Stored, decide
from understudy.vault.collect.marks import Marks
from understudy.vault.collect.placed import placed
from understudy.vault.collect.spool import Spool
from understudy.vault.collect.stock import Stock, held, named, needed, stock_of
from understudy.vault.collect.sweep import Change, changes
from understudy.vault.log.lists import pack_name
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.maps.diskmap import PackTable
from understudy.vault.maps.history import History
from understudy.vault.maps.reading import history_of
from understudy.vault.vault import Vault

Cut: TypeAlias = Callable[[Stock, MachineState, int, frozenset[int]], int]
"""From what is stored, the log's state and head, and the records that carry packs which held points need: `Marked.cut`."""

IN_MEMORY = 64 << 20
"""Bytes of map rows; when there are more, they go to the system's temporary directory."""


@dataclass(frozen=True, slots=True)
class Marked:
    """`head`: the last record that was read; every kept point is before it."""

    stock: Stock
    state: MachineState
    head: int
    history: History
    table: PackTable
    marks: Marks
    packs: dict[int, Stored]
    decision: Decision
    spool: Spool
    cut: int
    """Records up to this one shall be trimmed; 0: none."""

    @property
    def condemned(self) -> frozenset[str]:
        """What was condemned before and is still there."""
        return frozenset(name for condemned in self.state.condemned for name in condemned.names if name in self.stock.objects)

    @property
    def needed(self) -> frozenset[str]:
        """Objects that kept points are read from now."""
        packs = {pack_name(pack.id) for pack in self.packs.values()}
        return frozenset(packs | {f"maps/{checkpoint.id.hex()}" for checkpoint in self.state.maps.values()})

    @property
    def mapped(self) -> bool:
        """Whether every kept point has an operator's map already."""
        return all(entry.point.id in self.state.maps for entry in self.state.points)

    def weigh(self, names: Iterable[str]) -> tuple[int, int]:
        """Objects and bytes of those that were there."""
        sizes = [self.stock.objects[name] for name in names if name in self.stock.objects]
        return len(sizes), sum(sizes)


@asynccontextmanager
async def marked(
    vault: Vault, log: MachineLog, cut: Cut, watch: Callable[[Change], None] = lambda _: None, *, moving: bool = True
) -> AsyncIterator[Marked]:
    """Mark a machine. `IntegrityError` for the first thing that cannot be read: nothing may be concluded from the rest.

    `watch` is shown each change, in a thread. `moving`: whether needed parts of packs may be moved, so that the rest of them can go,
    and records be trimmed.

    The listing first: what was there before the log was read, and is not named in it, was never named.
    """
    stock = await stock_of(vault.store, log.machine_id)
    await log.refresh()
    state, head = log.state, log.head.seq
    if state.lost:
        lost = state.lost[0]
        raise IntegrityError(
            f"nothing is collected without what record {lost.seq}, a {lost.kind}, needs: {lost.reason}",
            hint="restore this object from a copy of the vault",
        )
    history = replace(history_of(vault, log), checkpoints=())
    table, marks = PackTable(), Marks()
    with _room() as file:
        spool = Spool(file)

        def take(group: list[Change]) -> None:
            for change in group:
                for rows in change.rows.values():
                    marks.add(rows)
                spool.add(change)
                watch(change)

        async for group in changes(history, table):
            await asyncio.to_thread(take, group)
        packs = await needed(history, table, marks)
        fixed = await held(history, state, table) if moving else set(packs)
        up_to = cut(stock, state, head, frozenset(table.packs[index].seq for index in fixed) - {0}) if moving else 0
        decision = decide(state, stock.objects, packs, await _named(history, state, stock, packs), fixed, up_to)
        yield Marked(stock, state, head, history, table, marks, packs, decision, spool, up_to)


async def _named(history: History, state: MachineState, stock: Stock, packs: Mapping[int, Stored]) -> set[bytes]:
    """Ids of packs that are, or once were, of points: what trimmed ones named is in the maps that were made before the trim."""
    found = await named(history)
    known = {pack_name(pack) for pack in found} | {pack_name(pack.id) for pack in packs.values()}
    if state.trims and any(name.startswith("packs/") and name not in known for name in stock.objects):
        found |= await placed(history)
    return found


@contextmanager
def _room() -> Iterator[IO[bytes]]:
    """A file that stays in memory while it is small."""
    try:
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
            yield file
    except OSError as error:
        raise StateFailed(
            f"what kept points need could not be noted in a temporary file: {error.strerror or error}",
            hint=f"free space in {tempfile.tempdir or 'one of these directories'}, or name another one by TMPDIR; nothing was collected",
        ) from error
