"""The middle of a cycle: from a frozen snapshot to durable packs and all that the point's record will say."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, TypeAlias

from understudy import extents as ext
from understudy.durable import state_directory
from understudy.finish import finish, finish_in_thread
from understudy.model import Changes, Extents, blocks_of
from understudy.replication.basis import Basis
from understudy.replication.journal import Head, JournalDisk
from understudy.replication.local import LocalState, Rebuild
from understudy.replication.pipeline import DiskTally, DiskWork, Pipeline, Shipped
from understudy.replication.plan import DiskPlan, Lineage, disk_plan, lineage
from understudy.replication.report import CycleProgress, ProgressSink
from understudy.replication.sigfile import SignatureFile
from understudy.replication.unchanged import brings_nothing
from understudy.replication.upload import take_back
from understudy.source.protocol import DiskSnapshot, Snapshot
from understudy.store.protocol import ObjectStore
from understudy.vault.access import Access
from understudy.vault.kinds import PackRef, PointDisk, PointStats


class Examined(NamedTuple):
    """A cycle's findings; every pack in `shipped` is durable, and so is the journal of the new signatures."""

    disks: tuple[PointDisk, ...]
    lineage: Lineage
    shipped: Shipped
    tallies: list[DiskTally]


class Look(NamedTuple):
    """One disk of a snapshot, before anything of it is read."""

    plan: DiskPlan
    snapshot: DiskSnapshot
    changes: Changes


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be examined of a disk."""

    plan: DiskPlan
    snapshot: DiskSnapshot
    file: SignatureFile
    extents: Extents


class Part(NamedTuple):
    """Some extents of all disks, examined: their packs and the journal of their signatures are durable."""

    disks: tuple[PointDisk, ...]
    shipped: Shipped
    tallies: list[DiskTally]


Saver: TypeAlias = Callable[[Sequence[Task], Basis], Awaitable[tuple[list[Task], Basis]]]
"""Makes durable, piece by piece, what is too much for one: what is left to examine then, and what that is to be compared with."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What examining a snapshot needs."""

    access: Access
    store: ObjectStore
    machine_id: str
    local: LocalState
    threads: Executor
    rebuild: Rebuild
    progress: ProgressSink
    unnamed: list[PackRef] = field(default_factory=list)
    """Packs that are stored, or may be, and that nothing durable names yet."""

    async def run(self, snapshot: Snapshot, point: bytes, basis: Basis, save: Saver | None = None) -> Examined:
        """All that changed since the basis."""
        with state_directory(self.local.directory):  # stores and sources have errors of their own
            looks = await self.look(snapshot, basis)
            plans = [look.plan for look in looks]
            gone = {disk.name for disk in basis.disks} - {plan.info.name for plan in plans}
            cause = lineage(plans, sorted(gone), basis.generation, secrets.token_bytes(16), snapshot.excluded)
            told = replace(self, progress=partial(_because, self.progress, cause.reason))
            if cause.reason:
                told.progress(CycleProgress("transfer"))
            tasks = await self.tasks(looks, basis, [await self._examined(look, basis) for look in looks])
            if save is not None:
                tasks, basis = await save(tasks, basis)
            part = await told.part(tasks, point, basis, inline=True)
        return Examined(part.disks, cause, part.shipped, part.tallies)

    async def take_back(self) -> None:
        """Delete what was stored and came to nothing, as far as that can be done."""
        await finish(take_back(self.store, self.machine_id, self.unnamed))

    async def look(self, snapshot: Snapshot, basis: Basis) -> list[Look]:
        """Every disk as it is now and was in the basis."""
        known = {disk.name: disk for disk in basis.disks}
        found = [(disk, await disk.changed()) for disk in snapshot.disks]
        return [
            Look(disk_plan(disk.info, known.get(disk.info.name), changes, secrets.token_bytes(16)), disk, changes)
            for disk, changes in found
        ]

    async def every(self, look: Look, basis: Basis) -> Extents:
        """All of a disk that is not a hole now or was not zero then: what is both is as it was."""
        found = ext.joined(await look.snapshot.allocated(), ext.NEAR)
        if look.plan.parent is not None:
            file = await self.local.exact(basis.id, look.plan.parent, self.rebuild)
            found = ext.union(found, await finish_in_thread(partial(file.outside, found)))
        return ext.clip(found, blocks_of(look.plan.info.size))

    async def tasks(self, looks: Sequence[Look], basis: Basis, extents: Sequence[Extents]) -> list[Task]:
        """With signature files that are exact for the basis."""
        return [
            Task(look.plan, look.snapshot, await self._signatures(look.plan, basis.id), own)
            for look, own in zip(looks, extents, strict=True)
        ]

    async def part(self, tasks: Sequence[Task], state: bytes, basis: Basis, *, inline: bool) -> Part:
        """Examine the tasks' extents. The journal leads the signature files from the basis to `state`."""
        plans = [task.plan for task in tasks]
        work = [DiskWork(index, task.snapshot, task.extents, task.file) for index, task in enumerate(tasks)]
        head = Head(point=state, parent=basis.id, disks=tuple(JournalDisk(id=plan.id, size=plan.info.size) for plan in plans))
        journal = self.local.begin(head)
        try:
            ids = tuple(plan.id for plan in plans)
            pipeline = Pipeline(self.access, self.store, self.machine_id, ids, journal, self.threads, self.progress, self.unnamed, inline)
            tallies, shipped = await pipeline.run(work)
            disks = tuple(self._point_disk(task, tally) for task, tally in zip(tasks, tallies, strict=True))
            # What no record would lead anywhere needs no journal: three syncs and two of the signature files less.
            if brings_nothing(basis, disks, shipped):
                journal.abandon()
            else:
                await finish_in_thread(journal.close)
        except BaseException:
            journal.abandon()
            raise
        return Part(disks, shipped, tallies)

    async def onward(self, tasks: Sequence[Task], disks: Sequence[PointDisk], extents: Sequence[Extents], state: bytes) -> list[Task]:
        """The tasks after a part of them has become the basis `state`: what is left of them."""
        return [
            replace(task, plan=replace(task.plan, parent=disk), file=await self.local.exact(state, disk, self.rebuild), extents=left)
            for task, disk, left in zip(tasks, disks, extents, strict=True)
        ]

    async def _examined(self, look: Look, basis: Basis) -> Extents:
        """What changed and what was never read; where nothing is known of changes, everything."""
        tracked, upto = look.plan.tracked, basis.upto.get(look.plan.id)
        if tracked is None:
            return await self.every(look, basis)
        if upto is None or upto >= blocks_of(look.plan.info.size):
            return tracked
        return ext.union(tracked, ext.after(await self.every(look, basis), upto))

    async def _signatures(self, plan: DiskPlan, state: bytes) -> SignatureFile:
        if plan.parent is None:
            return await self.local.fresh(state, plan.id, plan.info)
        return await self.local.exact(state, plan.parent, self.rebuild)

    def _point_disk(self, task: Task, tally: DiskTally) -> PointDisk:
        plan, digest = task.plan, tally.digest
        if plan.parent is not None:
            digest += int.from_bytes(plan.parent.digest, "big")
            digest -= task.file.digest_beyond(blocks_of(plan.info.size), self.access.secrets.digest)
        return PointDisk(
            id=plan.id,
            name=plan.info.name,
            size=plan.info.size,
            sector=plan.info.sector,
            digest=(digest % (1 << 128)).to_bytes(16, "big"),
        )


def _because(sink: ProgressSink, reason: str, now: CycleProgress) -> None:
    sink(replace(now, reason=reason))


def statistics(tallies: Sequence[DiskTally], shipped: Shipped, seconds: float) -> PointStats:
    """Over all disks."""
    return PointStats(
        scanned=sum(tally.examined for tally in tallies),
        changed=sum(tally.changed for tally in tallies),
        zero=sum(tally.zero for tally in tallies),
        stored=shipped.stored,
        seconds=seconds,
    )
