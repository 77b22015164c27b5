"""One repeatable operation, which may be killed anywhere: mark, delete what is due, repack, condemn."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from understudy.errors import AccessDenied, Conflict, IntegrityError
from understudy.finish import finish_in_thread
from understudy.vault import kinds, names
from understudy.vault.collect import ripe, witness
from understudy.vault.collect.decide import references
from understudy.vault.collect.marking import Marked, marked
from understudy.vault.collect.remap import write_maps
from understudy.vault.collect.rewrite import Rewriter
from understudy.vault.collect.steadfast import Moved, for_condemn, for_repack
from understudy.vault.collect.tally import Tally
from understudy.vault.collect.witness import Now, Witness
from understudy.vault.concurrent import each
from understudy.vault.log.lists import CONDEMNED, MAPS, encode_maps, encode_names, pack_name
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import put_side_object
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

DELETES = 8
TRIES = 5
"""How often a run begins anew because somebody else's record made what it found untrue."""
WITNESS = "seen.json"


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run did, or would do: objects and bytes."""

    deleted: tuple[int, int]
    condemned: tuple[int, int]
    """To be deleted when their grace has passed."""
    waiting: tuple[int, int]
    """Condemned by an earlier run, and not due yet."""
    rewritten: int
    """Packs whose needed part was moved."""
    written: int
    """Bytes of the packs that it was moved into."""


class PointSpace(NamedTuple):
    """`alone`: bytes that no other kept point needs; dropping it frees them."""

    entry: PointEntry
    alone: int


@dataclass(frozen=True, slots=True)
class Survey:
    """A machine's space in the store."""

    points: tuple[PointSpace, ...]
    dropped: int
    stored: tuple[int, int]
    """All objects, records included, and their bytes."""
    needed: int
    """Bytes of frames that kept points need."""
    shared: int
    """Of these, needed by more than one."""
    unnamed: tuple[int, int]
    """Objects that no record names: of cycles under way, or garbage that may not be told from it yet."""
    would: Collected
    """What a collection would do; `written` is what it would move."""


@dataclass(frozen=True, slots=True)
class Collector:
    """One machine's. The caller sees to it that no other collector of this host is at work with `directory`, which exists.

    grace: seconds for which readers may go on reading what is condemned now.
    """

    vault: Vault
    log: MachineLog
    directory: Path
    grace: int
    clock: Callable[[], Now] = witness.now

    async def run(self) -> Collected:
        """`AccessDenied`, `IntegrityError` (nothing goes while something cannot be read), and what stores and appends raise.

        After any failure, or none, it may be run again.
        """
        self._must_hold_the_recovery_key()
        await self.log.settle()
        for _ in range(TRIES):
            try:
                return await self._collect()
            except Moved:
                continue
        raise Conflict("the machine's log goes on changing in ways that matter here", hint="is another collection or a failover under way?")

    async def survey(self) -> Survey:
        """Where a machine's space is, and what `run` would do now. Changes nothing, and takes no recovery key."""
        tally = Tally()
        async with marked(self.vault, self.log, watch=tally.take) as found:
            seen = await self._seen(found)
            due = ripe.due(found.state, seen) & found.condemned
            garbage = ripe.garbage(found.state, seen, found.decision.unnamed, self.grace)
            gone = found.decision.dead | garbage | (found.decision.superseded if _must_repack(found) else frozenset())
        moves = sum(found.packs[index].needed for index in found.decision.rewrite)
        points = tuple(PointSpace(entry, tally.alone(entry.point.id)) for entry in found.state.points)
        needed = sum(pack.needed for pack in found.packs.values())
        would = Collected(found.weigh(due), found.weigh(gone), found.weigh(found.condemned - due), len(found.decision.rewrite), moves)
        objects, stored = found.weigh(found.stock.objects)
        return Survey(
            points,
            len(found.state.dropped),
            (objects + found.stock.records[0], stored + found.stock.records[1]),
            needed,
            needed - sum(point.alone for point in points),
            found.weigh(found.decision.unnamed - garbage),
            would,
        )

    async def _collect(self) -> Collected:
        async with marked(self.vault, self.log) as found:
            seen = await self._seen(found)
            await self._remember(seen)
            due = ripe.due(found.state, seen) & found.condemned
            await self._delete(due, found.needed, found.state)
            gone = found.decision.dead | ripe.garbage(found.state, seen, found.decision.unnamed, self.grace)
            before, needed, written = found.state, found.needed, 0
            if _must_repack(found):
                written, needed = await self._repack(found)
                gone |= found.decision.superseded
                before = self.log.state
            if gone:
                await self._condemn(gone, before, found.head)
                keys = [*seen.sightings, *(ripe.key_of(condemned) for condemned in self.log.state.condemned[-1:])]
                await self._remember(witness.observed(seen, self.clock(), found.head, keys))
            at_once = gone if not self.grace else frozenset()
            await self._delete(at_once, needed, before)
        return Collected(
            found.weigh(due | at_once),
            found.weigh(gone - at_once),
            found.weigh(found.condemned - due),
            len(found.decision.rewrite),
            written,
        )

    async def _seen(self, found: Marked) -> Witness:
        before = await asyncio.to_thread(witness.load, self.directory / WITNESS)
        keys = [ripe.key_of(condemned) for condemned in found.state.condemned if not condemned.names.isdisjoint(found.stock.objects)]
        return witness.observed(before, self.clock(), found.head, [*keys, *found.decision.unnamed])

    async def _remember(self, seen: Witness) -> None:
        await finish_in_thread(partial(witness.save, self.directory / WITNESS, seen))

    async def _delete(self, going: Collection[str], needed: Collection[str], state: MachineState) -> None:
        """The log was read after all of this was condemned: whatever names it since then does not count, or names it in vain."""
        wanted = sorted(set(going) & set(needed))
        if wanted:
            raise IntegrityError(
                f"{wanted[0]} of machine {state.name!r} was condemned, and a point that is kept needs it; nothing was deleted",
                hint="a point that names it after that was not made by this program: drop it, and take away the key that signed it",
            )
        refs = references(state)
        gone = [name for name in sorted(going) if name not in refs]
        owner = names.machine(self.log.machine_id)
        await each(DELETES, lambda name: self.vault.store.delete(f"{owner}/{name}"), gone)

    async def _repack(self, found: Marked) -> tuple[int, frozenset[str]]:
        """Bytes of new packs, and all objects that kept points are read from now."""
        rewriter = Rewriter(found.history, found.table)
        moved = await rewriter.run({index: found.marks.of(index) for index in found.decision.rewrite})
        maps = await write_maps(found.history, found.spool.changes(), found.table, moved)
        stays = {pack_name(pack.id) for index, pack in found.packs.items() if index not in found.decision.rewrite}
        uses = stays | {pack_name(pack.id) for pack in rewriter.written} | {f"maps/{checkpoint.id.hex()}" for checkpoint in maps}
        body = kinds.Repack(horizon=found.head, maps=await self._side_object(MAPS, encode_maps(maps)))
        await self.log.append(body, for_repack(found.state, {*uses, f"objects/{body.maps.hash.hex()}"}))
        return rewriter.stored, frozenset(uses)

    async def _condemn(self, going: Collection[str], before: MachineState, head: int) -> None:
        body = kinds.Condemn(objects=await self._side_object(CONDEMNED, encode_names(going)), grace=self.grace)
        await self.log.append(body, for_condemn(before, head, going))

    async def _side_object(self, purpose: str, data: bytes) -> kinds.ObjectRef:
        return await put_side_object(self.vault.store, self.vault.access, names.machine(self.log.machine_id), purpose, data)

    def _must_hold_the_recovery_key(self) -> None:
        if not self.vault.access.recovery_private:
            raise AccessDenied(
                f"the key of {self.vault.identity.role} {self.vault.identity.name!r} cannot collect", hint="use an operator's key"
            )


def _must_repack(found: Marked) -> bool:
    """Whether something would go that a reader of the log may still be sent to."""
    return bool(found.decision.rewrite) or (bool(found.decision.dead) and not found.mapped)
