"""The middle of a cycle: from a frozen snapshot to durable packs and all that the point's record will say."""

import secrets
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from understudy import extents as ext
from understudy.durable import state_directory
from understudy.finish import finish_in_thread
from understudy.model import blocks_of
from understudy.replication.journal import Head, JournalDisk
from understudy.replication.local import LocalState, Rebuild
from understudy.replication.pipeline import DiskTally, DiskWork, Pipeline, Shipped
from understudy.replication.plan import DiskPlan, Lineage, disk_plan, lineage
from understudy.replication.report import ProgressSink
from understudy.replication.sigfile import SignatureFile
from understudy.source.protocol import DiskSnapshot, Snapshot
from understudy.store.protocol import ObjectStore
from understudy.vault.access import Access
from understudy.vault.kinds import Point, PointDisk


class Examined(NamedTuple):
    """A cycle's findings; every pack in `shipped` is durable, and so is the journal of the new signatures."""

    disks: tuple[PointDisk, ...]
    lineage: Lineage
    shipped: Shipped
    tallies: list[DiskTally]


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

    async def run(self, snapshot: Snapshot, point: bytes, parent: Point | None, parent_id: bytes) -> Examined:
        """`parent_id` is the newest point's id, NO_POINT before the first."""
        with state_directory(self.local.directory):  # stores and sources have errors of their own
            return await self._run(snapshot, point, parent, parent_id)

    async def _run(self, snapshot: Snapshot, point: bytes, parent: Point | None, parent_id: bytes) -> Examined:
        known = {disk.name: disk for disk in parent.disks} if parent else {}
        plans = [disk_plan(disk.info, known.get(disk.info.name), await disk.changed(), secrets.token_bytes(16)) for disk in snapshot.disks]
        gone = known.keys() - {plan.info.name for plan in plans}
        files = [await self._signatures(plan, parent_id) for plan in plans]
        work = [
            await _work(index, plan, disk, file) for index, (plan, disk, file) in enumerate(zip(plans, snapshot.disks, files, strict=True))
        ]
        head = Head(point=point, parent=parent_id, disks=tuple(JournalDisk(id=plan.id, size=plan.info.size) for plan in plans))
        journal = await finish_in_thread(partial(self.local.begin, head))
        try:
            ids = tuple(plan.id for plan in plans)
            pipeline = Pipeline(self.access, self.store, self.machine_id, ids, journal, self.threads, self.progress)
            tallies, shipped = await pipeline.run(work)
            disks = tuple(self._point_disk(plan, tally, file) for plan, tally, file in zip(plans, tallies, files, strict=True))
            await finish_in_thread(journal.close)
        except BaseException:
            journal.abandon()
            raise
        generation = parent.generation if parent else None
        return Examined(disks, lineage(plans, sorted(gone), generation, secrets.token_bytes(16)), shipped, tallies)

    async def _signatures(self, plan: DiskPlan, parent_id: bytes) -> SignatureFile:
        if plan.parent is None:
            return await self.local.fresh(parent_id, plan.id, plan.info)
        return await self.local.exact(parent_id, plan.parent, self.rebuild)

    def _point_disk(self, plan: DiskPlan, tally: DiskTally, file: SignatureFile) -> PointDisk:
        digest = tally.digest
        if plan.parent is not None:
            digest += int.from_bytes(plan.parent.digest, "big")
            digest -= file.digest_beyond(blocks_of(plan.info.size), self.access.secrets.digest)
        return PointDisk(
            id=plan.id,
            name=plan.info.name,
            size=plan.info.size,
            sector=plan.info.sector,
            digest=(digest % (1 << 128)).to_bytes(16, "big"),
        )


async def _work(index: int, plan: DiskPlan, disk: DiskSnapshot, file: SignatureFile) -> DiskWork:
    """Without a record of changes, all that is not a hole now or was not zero then is examined."""
    extents = plan.tracked
    if extents is None:
        extents = ext.clip(ext.union(await disk.allocated(), file.populated()), blocks_of(plan.info.size))
    return DiskWork(index, disk, extents, file)


def totals(tallies: Sequence[DiskTally]) -> tuple[int, int, int]:
    """Blocks examined, changed, and zero now, over all disks."""
    return sum(t.examined for t in tallies), sum(t.changed for t in tallies), sum(t.zero for t in tallies)
