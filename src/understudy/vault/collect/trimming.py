"""Which of a log's first records may go, and what must be true when they do. Pure.

A record stays while it is one of the newest, while a point that is kept needs what travels in it, while a hold keeps a pack where it
is, and while a condemnation in it is not carried out. The rest goes in three steps; killed between or in any of them, the next run
goes on:

1. *Repack*, where a kept point has no operator's map yet, or one that leads into a record that shall go: what is needed of packs in
   those records was moved before it. Nothing is gone: who resolved a point before reads on by the maps of before.
2. *Trim*: the fold of these records is durable, then the record that names it. From here on all readers know what that says and no
   more; the records are still there. It is tried only on the state that was marked: a repack, a hold or a trim of another site in
   between, or a point laid on one that shall go, makes the run begin anew.
3. *Sweep*, when this host has known of the trim for its grace, by the one clock that does not jump (`witness`): the log is folded
   from the trim on and held against the whole, then the records go, one after the other, ascending. Until then no other trim is
   made: it would begin another grace. Side objects that only these records name are no garbage before.

A reader in mid-read misses a record, and begins at the trim; so does one whose rollback guard remembers a number that is gone. One
that resolved its point before the trim has its grace to end. A program that does not know trims refuses the log. A writer whose
slot was emptied meanwhile finds that the record before is gone, or what comes next is far away, and takes it for lost (`chain`).
Two sites that collect: records go in the same order whoever deletes them, and each waits out the grace that the trim itself names.
What was condemned and is named again by a record (a writer stalled in between) is never deleted as condemned: it does not hold a
trim back, and is garbage when nothing names it any more.
"""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

import msgspec

from understudy.vault.collect.steadfast import Moved, same_foundation
from understudy.vault.log.state import MachineState
from understudy.vault.maps.lineage import trace

BEHIND = 1000
"""The newest records always stay. A writer's place is at the end: so that nobody who is slower by less than so many records finds it
gone; at a point each second that is a quarter of an hour, beyond what a writer calls a stall (`chain.STALL`)."""
LEAST = 100
"""Fewer are not worth a map of every kept point, and the records that a run itself appends."""


MOST = 40 << 20
"""Bytes of points in the fold of what goes, which is one object. The next trim may go further: dropped points are forgotten then."""
BESIDE = 512
"""Bytes, more than what the fold says of each point beside its record's body."""


class Tail(NamedTuple):
    behind: int = BEHIND
    least: int = LEAST


TAIL = Tail()


def reach(state: MachineState, head: int, present: Collection[str], pinned: Iterable[int], tail: Tail) -> int:
    """The last record that may go; 0 if none, or too few to be worth it.

    present: condemned objects that the next deletions leave. pinned: records with packs that held points need.
    """
    if state.newest is None or state.named is None:
        return 0  # what records of a kind that this version does not know say would be lost with them
    waiting = [condemned.seq for condemned in state.condemned if not condemned.names.isdisjoint(present)]
    last = min([head - tail.behind, state.newest.seq - 1, *(seq - 1 for seq in (*waiting, *pinned)), _room(state)])
    return last if last - max(1, state.trimmed) >= tail.least else 0


def _room(state: MachineState) -> int:
    """The last record up to which the fold's points fit."""
    size = 0
    for entry in state.entries:
        size += BESIDE + (len(msgspec.msgpack.encode(entry.point)) if entry.point.id not in state.dropped else 0)
        if size > MOST:
            return entry.seq - 1
    return state.entries[-1].seq


def for_trim(before: MachineState, up_to: int) -> Callable[[MachineState], None]:
    """`before`: the state that was marked, or the one after our own records. For every slot that the append tries, as `steadfast`."""

    def still(now: MachineState) -> None:
        same_foundation(before, now)
        for entry in now.points:
            if entry.point.id in now.maps:
                continue
            if any(below.seq <= up_to for below in trace(now.entries, entry.point.id, now.maps, entry.seq).entries):
                raise Moved("a new point is laid on one that shall go")

    return still
