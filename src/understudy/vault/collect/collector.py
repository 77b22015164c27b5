"""One repeatable operation, which may be killed anywhere: mark, delete what is due, repack, condemn, trim."""

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from understudy.errors import AccessDenied, Conflict, IntegrityError, StoreUnavailable, UnderstudyError
from understudy.finish import finish, finish_in_thread
from understudy.store.locks import Locks
from understudy.vault import kinds, names
from understudy.vault.collect import ripe, trimming, witness
from understudy.vault.collect.decide import references
from understudy.vault.collect.marking import Cut, Marked, marked
from understudy.vault.collect.remap import write_maps
from understudy.vault.collect.report import Collected, PointSpace, Survey
from understudy.vault.collect.rewrite import Rewriter
from understudy.vault.collect.steadfast import Moved, for_condemn, for_repack
from understudy.vault.collect.stock import Stock
from understudy.vault.collect.tally import Tally
from understudy.vault.collect.trimming import TAIL, Tail
from understudy.vault.collect.witness import Now, Witness
from understudy.vault.concurrent import each
from understudy.vault.log.lists import CONDEMNED, MAPS, encode_maps, encode_names, pack_name
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.side_object import put_side_object
from understudy.vault.log.state import MachineState
from understudy.vault.log.trim_state import Trimmed
from understudy.vault.vault import Vault

DELETES = 8
TRIES = 5
"""How often a run begins anew because somebody else's record made what it found untrue."""
WITNESS = "seen.json"


@dataclass(frozen=True, slots=True)
class Collector:
    """One machine's. The caller sees to it that no other collector of this host is at work with `directory`, which exists.

    grace: seconds for which readers may go on reading what is condemned and trimmed now. tail: of the log, which is never trimmed.

    What is locked is left, and stays condemned, until its lock has ended. Only records are deleted all the same: the store keeps them for
    who looks below, and nobody reads a log that goes on growing.
    """

    vault: Vault
    log: MachineLog
    directory: Path
    grace: int
    clock: Callable[[], Now] = witness.now
    tail: Tail = TAIL
    locks: Locks | None = None
    """What may hold objects against being deleted; None: nothing does."""
    wall: Callable[[], float] = time.time

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
            except StoreUnavailable as error:
                await self._without_moving(error)
                raise
        raise Conflict("the machine's log goes on changing in ways that matter here", hint="is another collection or a failover under way?")

    async def carry_out(self) -> Collected:
        """Delete what the log says may go, when this host has known of it for its grace, and append nothing: for a copy of the vault.

        What nobody named for a month goes, too: its condemnation was trimmed before the copy came to know of it.
        """
        self._must_hold_the_recovery_key()
        before = await self._witness()
        async with marked(self.vault, self.log, _no_cut, moving=False) as found:
            seen = self._seen(before, found)
            await self._remember(seen)
            due = ripe.due(found.state, seen) & found.condemned
            due |= ripe.garbage(found.state, seen, found.decision.unnamed, ripe.ABANDONED)
            await self._delete(due, found.needed, found.state)
            sweeps = ripe.due_trim(found.state, seen)
            swept = await self._sweep(sweeps, found)
        left = found.stock.records.weigh(sweeps.up_to if sweeps is not None else 1, found.state.trimmed)
        waiting = (found.condemned | found.decision.unnamed) - due
        return Collected(found.weigh(due), (0, 0), found.weigh(waiting), 0, 0, swept, left)

    async def _without_moving(self, error: StoreUnavailable) -> None:
        """Where there is no room to move anything there may be some to let go of what needs no moving, and then there is more."""
        with suppress(UnderstudyError):
            done = await self._collect(moving=False)
            if done.deleted[0] + done.condemned[0]:
                error.hint = f"{error.hint}; what nobody needs any part of was let go of meanwhile: collect again"

    async def survey(self) -> Survey:
        """Where a machine's space is, and what `run` would do now. Changes nothing, and takes no recovery key."""
        tally = Tally()
        before = await self._witness()
        async with marked(self.vault, self.log, self._cut(before), watch=tally.take) as found:
            seen = self._seen(before, found)
            due = ripe.due(found.state, seen) & found.condemned
            garbage = self._garbage(found, seen)
            gone = found.decision.dead | garbage | (found.decision.superseded if _must_repack(found) else frozenset())
        moves = sum(found.packs[index].needed for index in found.decision.rewrite)
        points = tuple(PointSpace(entry, tally.alone(entry.point.id)) for entry in found.state.points)
        needed = sum(pack.needed for pack in found.packs.values())
        sweeps = ripe.due_trim(found.state, seen)
        swept = sweeps.up_to if sweeps is not None else 1
        records = found.stock.records
        would = Collected(
            found.weigh(due),
            found.weigh(gone),
            found.weigh(found.condemned - due),
            len(found.decision.rewrite),
            moves,
            records.weigh(1, swept),
            records.weigh(swept, max(found.cut, found.state.trimmed)),
        )
        objects, stored = found.weigh(found.stock.objects)
        stay = (pack for index, pack in found.packs.items() if not pack.seq and index not in found.decision.rewrite)
        return Survey(
            points,
            len(found.state.dropped),
            (objects + records.weigh()[0], stored + records.weigh()[1]),
            needed,
            needed - sum(point.alone for point in points),
            sum(max(0, pack.payload - pack.needed) for pack in stay),
            records.weigh(),
            found.weigh(found.decision.unnamed - garbage),
            would,
        )

    async def _collect(self, *, moving: bool = True) -> Collected:
        remembered = await self._witness()
        async with marked(self.vault, self.log, self._cut(remembered), moving=moving) as found:
            seen = self._seen(remembered, found)
            await self._remember(seen)
            due = ripe.due(found.state, seen) & found.condemned
            left = await self._delete(due, found.needed, found.state)
            sweeps = ripe.due_trim(found.state, seen)
            swept = await self._sweep(sweeps, found)
            gone = found.decision.dead | self._garbage(found, seen)
            before, needed, written = found.state, found.needed, 0
            if _must_repack(found):
                written, needed = await self._repack(found)
                gone |= found.decision.superseded
                before = self.log.state
            if gone:
                await self._condemn(gone, before, found.head)
                before = self.log.state
                seen = witness.observed(seen, self.clock(), found.head, [*seen.sightings, ripe.key_of(before.condemned[-1])])
                await self._remember(seen)
            at_once = gone if not self.grace else frozenset()
            left |= await self._delete(at_once, needed, before)
            if found.cut:
                await self.log.trim(found.cut, grace=self.grace, still=trimming.for_trim(before, found.cut))
                trim = self.log.state.trims[-1]
                await self._remember(witness.observed(seen, self.clock(), found.head, [*seen.sightings, ripe.key_of_trim(trim)]))
                if not self.grace:
                    swept = _sum(swept, await self.log.sweep(trim))
                    sweeps = trim
        return Collected(
            found.weigh((due | at_once) - left),
            found.weigh(gone - at_once),
            found.weigh(found.condemned - due),
            len(found.decision.rewrite),
            written,
            swept,
            found.stock.records.weigh(sweeps.up_to if sweeps is not None else 1, max(found.cut, found.state.trimmed)),
            found.weigh(left),
        )

    async def _witness(self) -> Witness:
        return await asyncio.to_thread(witness.load, self.directory / WITNESS)

    def _seen(self, before: Witness, found: Marked) -> Witness:
        return witness.observed(before, self.clock(), found.head, [*_waiting(found.state, found.stock), *found.decision.unnamed])

    def _cut(self, before: Witness) -> Cut:
        """As far as it will be known after what is due has gone."""

        def choose(stock: Stock, state: MachineState, head: int, pinned: frozenset[int]) -> int:
            seen = witness.observed(before, self.clock(), head, _waiting(state, stock))
            if _lingers(state, stock, ripe.due_trim(state, seen)):
                return 0
            present = stock.objects.keys() - ripe.due(state, seen) - references(state)
            return trimming.reach(state, head, present, pinned, self.tail)

        return choose

    def _garbage(self, found: Marked, seen: Witness) -> frozenset[str]:
        """What only records that are trimmed name is none while they are there: readers of the log may yet ask for it."""
        garbage = ripe.garbage(found.state, seen, found.decision.unnamed, self.grace)
        if _lingers(found.state, found.stock, ripe.due_trim(found.state, seen)):
            return frozenset(name for name in garbage if not name.startswith("objects/"))
        return garbage

    async def _sweep(self, trim: Trimmed | None, found: Marked) -> tuple[int, int]:
        if trim is None or not found.stock.records.weigh(1, trim.up_to)[0]:
            return 0, 0
        carriers = sorted(pack.seq for pack in found.packs.values() if 0 < pack.seq <= trim.up_to)
        if carriers:
            raise IntegrityError(
                f"record {carriers[0]} of machine {found.state.name!r} was trimmed, and a point that is kept needs what travels in it; "
                "nothing was deleted",
                hint="please report it: the records that were to go are still there",
            )
        return await self.log.sweep(trim)

    async def _remember(self, seen: Witness) -> None:
        await finish_in_thread(partial(witness.save, self.directory / WITNESS, seen))

    async def _delete(self, going: Collection[str], needed: Collection[str], state: MachineState) -> frozenset[str]:
        """The log was read after all of this was condemned: whatever names it since then does not count, or names it in vain.

        Returns what is left since it is locked.
        """
        wanted = sorted(set(going) & set(needed))
        if wanted:
            raise IntegrityError(
                f"{wanted[0]} of machine {state.name!r} was condemned, and a point that is kept needs it; nothing was deleted",
                hint="a point that names it after that was not made by this program: drop it, and take away the key that signed it",
            )
        refs = references(state)
        gone = [name for name in sorted(going) if name not in refs]
        owner = names.machine(self.log.machine_id)

        async def delete(name: str) -> bool:
            if self.locks is not None and (lock := await self.locks.locked(f"{owner}/{name}")) is not None and lock.until > self.wall():
                return False
            await self.vault.store.delete(f"{owner}/{name}")
            return True

        return frozenset(name for name, done in zip(gone, await each(DELETES, delete, gone), strict=True) if not done)

    async def _repack(self, found: Marked) -> tuple[int, frozenset[str]]:
        """Bytes of new packs, and all objects that kept points are read from now."""
        rewriter, maps = Rewriter(found.history, found.table), list[kinds.Checkpoint]()
        try:
            moved = await rewriter.run({index: found.marks.of(index) for index in found.decision.rewrite})
            async for checkpoint in write_maps(found.history, found.spool.changes(), found.table, moved):
                maps.append(checkpoint)
            ref = await self._side_object(MAPS, encode_maps(maps))
        except BaseException:
            # A store that is full must not be fuller for having been collected.
            await finish(self._take_back(rewriter, maps))
            raise
        stays = {pack_name(pack.id) for index, pack in found.packs.items() if index not in found.decision.rewrite}
        uses = stays | {pack_name(pack.id) for pack in rewriter.written} | {f"maps/{checkpoint.id.hex()}" for checkpoint in maps}
        body = kinds.Repack(horizon=found.head, maps=ref)
        try:
            await self.log.append(body, for_repack(found.state, {*uses, f"objects/{ref.hash.hex()}"}))
        except Moved:
            await finish(self._take_back(rewriter, maps))
            raise
        return rewriter.stored, frozenset(uses)

    async def _take_back(self, rewriter: Rewriter, maps: Collection[kinds.Checkpoint]) -> None:
        """Delete what no record names; what the store does not delete now a later collection does."""
        owner = names.machine(self.log.machine_id)
        going = [pack_name(pack.id) for pack in rewriter.written] + [f"maps/{checkpoint.id.hex()}" for checkpoint in maps]
        with suppress(UnderstudyError):
            for name in going:
                await self.vault.store.delete(f"{owner}/{name}")

    async def _condemn(self, going: Collection[str], before: MachineState, head: int) -> None:
        body = kinds.Condemn(objects=await self._side_object(CONDEMNED, encode_names(going)), grace=self.grace)
        await self.log.append(body, for_condemn(before, head, going, body.objects))

    async def _side_object(self, purpose: str, data: bytes) -> kinds.ObjectRef:
        return await put_side_object(self.vault.store, self.vault.access, names.machine(self.log.machine_id), purpose, data)

    def _must_hold_the_recovery_key(self) -> None:
        if not self.vault.access.recovery_private:
            raise AccessDenied(
                f"the key of {self.vault.identity.role} {self.vault.identity.name!r} cannot collect", hint="use an operator's key"
            )


def _no_cut(stock: Stock, state: MachineState, head: int, pinned: frozenset[int]) -> int:
    return 0


def _must_repack(found: Marked) -> bool:
    """Whether something would go that a reader of the log may still be sent to."""
    return bool(found.decision.rewrite) or (bool(found.decision.dead or found.cut) and not found.mapped)


def _waiting(state: MachineState, stock: Stock) -> list[str]:
    """What there is to wait for, as a witness has it."""
    condemned = [ripe.key_of(condemned) for condemned in state.condemned if not condemned.names.isdisjoint(stock.objects)]
    return condemned + [ripe.key_of_trim(trim) for trim in state.trims if stock.records.weigh(1, trim.up_to)[0]]


def _lingers(state: MachineState, stock: Stock, due: Trimmed | None) -> bool:
    """Whether records will be left that were trimmed, when those that are due have gone."""
    up_to = state.trimmed
    return stock.records.weigh(1, up_to)[0] > 0 and (due is None or due.up_to < up_to)


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]
