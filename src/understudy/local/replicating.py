"""A machine that this process owns, cycle by cycle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from understudy.engine import Cycle, OnProgress, Progress
from understudy.finish import finish_in_thread
from understudy.local.claims import expect_claim, must_be_ours
from understudy.local.following import source_here
from understudy.local.parts import Parts
from understudy.local.site import Site
from understudy.replication.cycle import Replicator
from understudy.replication.report import CycleProgress, CycleReport
from understudy.source.protocol import Wish
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

_NANOSECONDS = 1_000_000_000


class Opened:
    """Opens the replicator in its first cycle, and again after an opening that failed before its claim."""

    def __init__(self, replicator: Replicator, log: MachineLog) -> None:
        self.replicator = replicator
        self.log = log
        self._open = False

    async def ready(self, progress: OnProgress) -> None:
        """Open the replicator unless it is."""
        if not self._open:
            progress(Progress(phase="open"))
            try:
                await self.replicator.open()
            finally:
                # Once it is claimed, a cycle does what is left. A claim for every try would fill the log while a VM is down.
                self._open = self.log.state.writer == self.log.writer

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> Cycle:
        await self.ready(progress)
        report = await self.replicator.cycle(partial(followed_up, progress), Wish(app_consistent=app_consistent))
        return cycle_of(self.log.state.name, report)

    async def final_cycle(self, progress: OnProgress) -> Cycle:
        """Of a machine that was shut down: its last point before a failover."""
        await self.ready(progress)
        return cycle_of(self.log.state.name, await self.replicator.cycle(partial(followed_up, progress), final=True))

    async def pending(self) -> int | None:
        """As the source tells it; None also before the first cycle."""
        return await self.replicator.source.pending() if self._open else None


@asynccontextmanager
async def replication(vault: Vault, log: MachineLog, parts: Parts, site: Site) -> AsyncIterator[Opened]:
    """Own the machine until the context is left. What may fail for a while (store, VM) is first touched by the first cycle."""
    with site.own(vault.id, log) as directory:
        replicator = replicator_of(vault, log, parts, site, directory)
        try:
            yield Opened(replicator, log)
        finally:
            await replicator.close()


def replicator_of(vault: Vault, log: MachineLog, parts: Parts, site: Site, directory: Path) -> Replicator:
    """Of a machine that is followed from here, and owned. Its claim is remembered as this site's before it is made."""
    spec = source_here(directory, log.state)
    must_be_ours(vault.id, log.state, site)
    source = parts.open_source(spec, log.machine_id, log.state.name, directory)

    async def claiming() -> None:
        # It may have been opened long ago.
        await log.refresh()
        await finish_in_thread(partial(expect_claim, vault.id, log, site))

    return Replicator(vault, log, source, directory, site.name, claiming=claiming)


def followed_up(progress: OnProgress, now: CycleProgress) -> None:
    progress(Progress(phase=now.phase, done=now.done, total=now.total or None, reason=now.reason))


def cycle_of(machine: str, report: CycleReport) -> Cycle:
    """`machine`: its name."""
    return Cycle(
        machine=machine,
        point=report.point,
        number=report.seq,
        frozen_at=report.frozen_at,
        cause=report.cause,
        reason=report.reason,
        method=report.method,
        consistency=report.consistency,
        downgrade=report.downgrade,
        paused_seconds=report.paused,
        quiesced_seconds=report.quiesced,
        scanned_blocks=report.stats.scanned,
        changed_blocks=report.stats.changed,
        zero_blocks=report.stats.zero,
        read_bytes=report.read,
        stored_bytes=report.stats.stored,
        seconds=report.seconds,
        rpo_seconds=(report.committed_at - report.frozen_at) / _NANOSECONDS,
    )
