"""A machine that this process owns, cycle by cycle."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from understudy.engine import Cycle, OnProgress, Progress, Replication
from understudy.local.following import followed_elsewhere, source_here
from understudy.local.parts import Parts
from understudy.local.site import Site
from understudy.replication.cycle import Replicator
from understudy.replication.report import CycleProgress
from understudy.source.protocol import Wish
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

_NANOSECONDS = 1_000_000_000


@asynccontextmanager
async def replication(vault: Vault, log: MachineLog, parts: Parts, site: Site) -> AsyncIterator[Replication]:
    """Own the machine until the context is left. What may fail for a while (store, VM) is first touched by the first cycle."""
    with site.own(vault.id, log) as directory:
        spec = source_here(directory, log.state)
        if log.state.site != site.name:
            raise followed_elsewhere(log.state, site.name)
        replicator = Replicator(vault, log, parts.open_source(spec, log.machine_id, directory), directory, site.name)
        try:
            yield _Opened(replicator, log)
        finally:
            await replicator.close()


class _Opened:
    """Opens the replicator in its first cycle, and again after an opening that failed before its claim."""

    def __init__(self, replicator: Replicator, log: MachineLog) -> None:
        self._replicator = replicator
        self._log = log
        self._open = False

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> Cycle:
        def tell(now: CycleProgress) -> None:
            progress(Progress(phase=now.phase, done=now.done, total=now.total or None))

        if not self._open:
            progress(Progress(phase="open"))
            try:
                await self._replicator.open()
            finally:
                # Once it is claimed, a cycle does what is left. A claim for every try would fill the log while a VM is down.
                self._open = self._log.state.writer == self._log.writer
        report = await self._replicator.cycle(tell, Wish(app_consistent=app_consistent))
        return Cycle(
            machine=self._log.state.name,
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
