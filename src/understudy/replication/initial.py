"""The initial replication of large disks: in slices, each of which is durable, so that nothing that was uploaded is uploaded again.

A source that tracks changes is frozen for each slice anew, since no snapshot should live for hours: a slice reads on where the last one
ended, and what the guest writes meanwhile is tracked from before the first. The point's own freeze then reads what is left and what
changed. If tracking is lost, reading begins again, and the signatures of what is uploaded save its upload. A source that tracks nothing, or
whose snapshots may last, is frozen once, and only its uploads come in slices.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from understudy import extents as ext
from understudy.durable import state_directory
from understudy.errors import Conflict, SourceBusy, UnderstudyError
from understudy.finish import finish, finish_in_thread
from understudy.model import BLOCK_SIZE, Extents, Untracked, blocks_of
from understudy.replication.basis import NOTHING, Basis, outgrown
from understudy.replication.examine import Examination, Part, Saver, Task, statistics
from understudy.replication.intent import IntentFile, Slice
from understudy.replication.local import LocalState
from understudy.replication.report import Overall
from understudy.source.protocol import READ, DiskSource, Snapshot
from understudy.vault import names
from understudy.vault.kinds import Intent, PackRef, Point, PointStats
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

SLICE_BLOCKS = (4 << 30) // BLOCK_SIZE
"""What one slice reads: some seconds to a minute of a snapshot's life."""


@dataclass(slots=True)
class InitialReplication:
    """One machine's, until its first point. The caller settles the log first and owns the machine."""

    vault: Vault
    log: MachineLog
    source: DiskSource
    local: LocalState
    slice_blocks: int = SLICE_BLOCKS
    _file: IntentFile | None = None
    _unread: dict[str, Extents] = field(default_factory=dict)
    """By disk name, known since this approach's first freeze: what appears later is tracked."""

    @property
    def basis(self) -> Basis:
        """What is uploaded up to now."""
        tip = self._file.tip if self._file else None
        if tip is None:
            return NOTHING
        upto = {disk.id: block for disk, block in zip(tip.disks, tip.upto, strict=True)}
        return Basis(tip.id, tip.track, tip.disks, None, upto)

    @property
    def packs(self) -> tuple[PackRef, ...]:
        """What the point must name before its own packs."""
        return tuple(self._file.packs) if self._file else ()

    @property
    def stats(self) -> PointStats:
        """What all slices did."""
        return self._file.stats if self._file else PointStats()

    @property
    def entry(self) -> PointEntry | None:
        """What is uploaded, as a point that would hold just that; None before the first slice."""
        basis = self.basis
        if not basis.disks:
            return None
        return PointEntry(
            0,
            Point(
                id=basis.id,
                parent=b"",
                generation=basis.id,
                frozen_at=0,
                consistency="",
                method="",
                cause="initial",
                disks=basis.disks,
                packs=self.packs,
            ),
        )

    def settle(self) -> None:
        """Take up what an earlier run left; give up what is not the intent that the log knows. Blocks."""
        file = self._file or self.local.intent()
        known = self.log.state.intent
        if file is not None and (known is None or file.head.id != known.id):
            self._discard(file)
            file = None
        self._file = file

    def over(self) -> None:
        """There is a point. Blocks."""
        file = self._file or self.local.intent()
        if file is not None:
            self._discard(file)
        self._file = None
        self._unread = {}

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    async def approach(self, examination: Examination, overall: Overall, *, whole: bool = False) -> None:
        """Make slices until what is left fits into one freeze, or until nothing is left.

        On a failure what is durable stays so, and is gone on from.
        """
        lasting = (await self.source.probe()).lasting
        self._unread = {}
        with state_directory(self.local.directory):
            while (whole or not lasting) and await self._step(examination, overall, whole, lasting):
                pass

    def saver(self, examination: Examination, overall: Overall) -> Saver:
        """Slices within one freeze, until what is left fits into the point."""
        return partial(self._save, examination, overall, self.slice_blocks)

    async def complete(self) -> None:
        """Raise unless the vault has every pack of every slice."""
        if self._file is None or not self._file.packs:
            return
        wanted = {names.pack(self.log.machine_id, pack.id.hex()): pack.size for pack in self._file.packs}
        async for found in self.vault.store.list(f"{names.machine(self.log.machine_id)}/packs/"):
            if wanted.get(found.name) == found.size:
                del wanted[found.name]
        if wanted and self._file.elsewhere:
            raise Conflict(
                f"{len(wanted)} of the {len(self._file.packs)} packs of this machine's seed are not in the vault yet",
                hint="import the seed into the vault, then replicate; or unprotect and protect the machine again to begin without it",
            )
        if wanted:
            await finish_in_thread(self.give_up)
            raise SourceBusy(
                f"{len(wanted)} packs that the initial replication had uploaded are gone from the vault, so it begins anew",
                hint="find out who deletes objects from the vault; what is in it is understudy's alone",
            )

    def give_up(self) -> None:
        """What was uploaded becomes garbage. Blocks."""
        self.over()
        self.local.settle(NOTHING.id, frozenset())

    def _discard(self, file: IntentFile) -> None:
        with state_directory(self.local.directory):
            file.discard()

    async def _step(self, examination: Examination, overall: Overall, whole: bool, lasting: bool) -> bool:
        """One freeze; whether it made a slice, and another might follow."""
        basis, state = self.basis, secrets.token_bytes(16)
        snapshot = await self.source.freeze(state.hex(), basis.base, READ)
        try:
            if outgrown(basis, [disk.info for disk in snapshot.disks]):
                await finish_in_thread(self.give_up)
                slice_, again = None, True
            else:
                slice_ = await self._slice(snapshot, state, basis, examination, overall, whole, lasting)
                again = slice_ is not None
        except BaseException as error:
            try:
                await finish(self.source.release(False))
            except UnderstudyError as second:
                error.add_note(f"then the source could not be released: {second}")
            raise
        await finish(self.source.release(slice_ is not None and slice_.track == state))
        if slice_ is not None:
            await finish_in_thread(partial(self.local.commit, state))
        return again

    async def _slice(
        self, snapshot: Snapshot, state: bytes, basis: Basis, examination: Examination, overall: Overall, whole: bool, lasting: bool
    ) -> Slice | None:
        looks = await examination.look(snapshot, basis)
        tracked = bool(basis.track) and all(look.plan.tracked is not None for look in looks)
        # Lost again since this approach's last slice: where tracking does not last, only a single freeze comes to an end.
        if lasting or any(isinstance(look.changes, Untracked) for look in looks) or (self._unread and not tracked):
            if whole:
                found = [await examination.every(look, basis) for look in looks]
                await self._save(examination, overall, 0, await examination.tasks(looks, basis, found), basis)
            return None
        if not self._unread:
            found = [await examination.every(look, basis) for look in looks]
            overall.whole = sum(map(ext.total, found))
            read = [basis.upto[look.plan.id] if tracked else 0 for look in looks]
            self._unread = {look.plan.info.name: ext.after(own, upto) for look, own, upto in zip(looks, found, read, strict=True)}
        unread = [self._unread[look.plan.info.name] for look in looks]
        left = sum(map(ext.total, unread))
        overall.begin(left, self.stats.stored)
        if left <= (0 if whole else self.slice_blocks):
            return None
        heads, tails = _cut(unread, self.slice_blocks)
        part = await self._part(examination, await examination.tasks(looks, basis, heads), state, basis)
        ends = [int(tail[0, 0]) if len(tail) else blocks_of(look.plan.info.size) for look, tail in zip(looks, tails, strict=True)]
        slice_ = await self._append(examination, part, state, basis.track if tracked else state, ends)
        self._unread = {look.plan.info.name: tail for look, tail in zip(looks, tails, strict=True)}
        return slice_

    async def _save(
        self, examination: Examination, overall: Overall, most: int, tasks: Sequence[Task], basis: Basis
    ) -> tuple[list[Task], Basis]:
        tasks = list(tasks)
        while (left := sum(ext.total(task.extents) for task in tasks)) > most:
            overall.whole = max(overall.whole, left)
            overall.begin(left, self.stats.stored)
            heads, tails = _cut([task.extents for task in tasks], self.slice_blocks)
            state = secrets.token_bytes(16)
            head = [replace(task, extents=own) for task, own in zip(tasks, heads, strict=True)]
            part = await self._part(examination, head, state, basis)
            await self._append(examination, part, state, basis.track, [basis.upto.get(disk.id, 0) for disk in part.disks])
            await finish_in_thread(partial(self.local.commit, state))
            basis = self.basis
            tasks = await examination.onward(tasks, part.disks, tails, state)
        overall.begin(left, self.stats.stored)
        return tasks, basis

    async def _part(self, examination: Examination, tasks: Sequence[Task], state: bytes, basis: Basis) -> Part:
        """Announced before anything is uploaded: collection leaves alone what an open intent may need."""
        if self._file is None:
            id_ = secrets.token_bytes(16)
            file = await finish_in_thread(partial(self.local.begin_intent, id_))
            try:
                await finish(self.log.append(Intent(id=id_)))
            except BaseException:
                file.close()
                raise
            self._file = file
        return await examination.part(tasks, state, basis, inline=False)

    async def _append(self, examination: Examination, part: Part, state: bytes, track: bytes, upto: Sequence[int]) -> Slice:
        assert self._file is not None
        slice_ = Slice(
            id=state,
            track=track,
            disks=part.disks,
            upto=tuple(upto),
            packs=part.shipped.packs,
            elsewhere=examination.store is not self.vault.store,
            stats=statistics(part.tallies, part.shipped, 0.0),
        )
        # From here on it names them, perhaps even where this fails.
        examination.unnamed.clear()
        await finish_in_thread(partial(self._file.append, slice_))
        return slice_


def _cut(extents: Sequence[Extents], blocks: int) -> tuple[list[Extents], list[Extents]]:
    """The first `blocks` blocks of all disks, one disk after the other, and what is left of each."""
    heads, tails = [], []
    for own in extents:
        head, tail = ext.split(own, blocks)
        blocks -= ext.total(head)
        heads.append(head)
        tails.append(tail)
    return heads, tails
