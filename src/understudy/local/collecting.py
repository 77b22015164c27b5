"""Collection and space accounting, one machine at a time on this host."""

import time

from understudy import engine
from understudy.local.ownership import owned
from understudy.local.site import Site
from understudy.local.views import point_of
from understudy.store.locks import Locks
from understudy.vault.collect.collector import Collector
from understudy.vault.collect.report import Collected
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

COLLECTOR = "collect"
"""Below a machine's directory: what collections of this host remember."""


async def collected(vault: Vault, log: MachineLog, site: Site, locks: Locks | None, request: engine.Collect) -> engine.Collected:
    """`Busy` while another collection of this machine is at work on this host. Replication and readers may go on. `locks`: what may hold
    objects that are due."""
    began = time.monotonic()
    directory = site.directory(vault.id, log.machine_id) / COLLECTOR
    with owned(directory, f"the collection of {log.state.name!r}"):
        collector = Collector(vault, log, directory, request.grace_seconds, locks=locks)
        done = (await collector.survey()).would if request.dry_run else await collector.run()
    return _collected(log.state.name, request.dry_run, done, time.monotonic() - began)


async def usage_of(vault: Vault, log: MachineLog, site: Site, machine: engine.Machine) -> engine.Usage:
    """Reads the index of every pack that is not in an operator's map yet; changes nothing."""
    directory = site.directory(vault.id, log.machine_id) / COLLECTOR
    found = await Collector(vault, log, directory, 0).survey()
    points = tuple(
        engine.PointUsage(
            point=point_of(space.entry, log.state),
            logical_bytes=sum(disk.size for disk in space.entry.point.disks),
            alone_bytes=space.alone,
        )
        for space in found.points
    )
    return engine.Usage(
        machine=machine,
        dropped_points=found.dropped,
        logical_bytes=points[-1].logical_bytes if points else 0,
        stored=_weight(found.stored),
        needed_bytes=found.needed,
        shared_bytes=found.shared,
        now=_weight(found.would.deleted),
        later=_weight(found.would.waiting),
        collectable=_weight(found.would.condemned),
        moving_bytes=found.would.written,
        unnamed=_weight(found.unnamed),
        idle_bytes=found.idle,
        log=_weight(found.records),
        trimmable=_weight(_both(found.would.swept, found.would.trimmed)),
        points=points,
    )


def _collected(machine: str, dry: bool, done: Collected, seconds: float) -> engine.Collected:
    return engine.Collected(
        machine=machine,
        dry_run=dry,
        deleted=_weight(done.deleted),
        condemned=_weight(done.condemned),
        waiting=_weight(done.waiting),
        rewritten_packs=done.rewritten,
        written_bytes=done.written,
        swept=_weight(done.swept),
        trimmed=_weight(done.trimmed),
        locked=_weight(done.locked),
        seconds=seconds,
    )


def _both(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _weight(found: tuple[int, int]) -> engine.Weight:
    return engine.Weight(objects=found[0], bytes=found[1])
