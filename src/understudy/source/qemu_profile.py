"""How much a VM's disks change, counted by records of changes of our own beside those of replication, which are left alone.

One record for each disk and span: QEMU says how much is dirty in it when the span ends, and begins it anew. What is written in the
millisecond between the two is counted by no span. A record's memory is QEMU's; the guest's writes set a bit more in each.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from understudy.engine import OnProgress, Progress, QemuSource
from understudy.engine.profiling import Profile, Profiled, checked_profile, counted, granularity_of, ladder
from understudy.errors import Busy, InvalidRequest, SourceUnavailable
from understudy.finish import finish
from understudy.qemu.lifeline import Lifeline, Order, qmp_lines
from understudy.qemu.session import QmpRefused, QmpSession
from understudy.source.qemu_bitmaps import GRANULARITY, Action
from understudy.source.qemu_disks import QemuDisk
from understudy.source.qemu_names import Names
from understudy.source.qemu_survey import survey

FINEST = 4096
MEMORY = 64 << 20
"""Bytes of QEMU's memory that all records of a watch may take."""

_UNDER_WAY: set[str] = set()
"""QMP sockets whose VMs this process watches."""


@dataclass(slots=True)
class _Watch:
    """A watch under way. `prefix`: what all its records' names begin with; `counts`: by rung, what each of its spans came to."""

    prefix: str
    disks: tuple[QemuDisk, ...]
    every: float
    steps: tuple[int, ...]
    counts: list[list[float]] = field(default_factory=list)

    def names(self, rungs: Sequence[int]) -> list[tuple[str, str]]:
        return [(disk.node, f"{self.prefix}{rung}") for rung in rungs for disk in self.disks]

    def due(self, tick: int) -> list[int]:
        return [rung for rung, step in enumerate(self.steps) if tick % step == 0]


async def profiled(
    source: QemuSource,
    request: Profile,
    progress: OnProgress,
    *,
    machine: str = "",
    guarded: bool = False,
    stop: asyncio.Event | None = None,
) -> Profiled:
    """Count for as long as was asked, or until `stop`. `machine`: its id, if it has one. `guarded`: the QMP connection is kept, and a
    process of its own removes the records if this one is killed; else the connection is shared, or given back between two looks.
    What a watch that was killed left is removed first."""
    checked_profile(request)
    prefix = Names.profile_prefix(machine)
    if source.qmp in _UNDER_WAY:
        raise Busy("this VM is watched already", hint="wait for the end of that, or cancel it: understudy jobs")
    _UNDER_WAY.add(source.qmp)
    try:
        async with _kept(source.qmp) if guarded else _nothing() as kept:
            return await _watched(source, request, progress, prefix, kept, stop or asyncio.Event())
    finally:
        _UNDER_WAY.discard(source.qmp)


async def stopped(stop: asyncio.Event, until: float) -> bool:
    """Whether it was set before this moment of the monotonic clock came."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(until - time.monotonic(), 0)):
            await stop.wait()
    return stop.is_set()


async def remove_records(session: QmpSession, prefix: str) -> None:
    """Those of a watch, in all nodes. Idempotent."""
    for attempt in range(3):
        nodes = await session.execute("query-named-block-nodes", {"flat": True})
        found = [
            (node["node-name"], bitmap["name"])
            for node in nodes
            for bitmap in node.get("dirty-bitmaps", ())
            if bitmap.get("name", "").startswith(prefix)
        ]
        try:
            await session.transaction([_removal(node, name) for node, name in found])
        except QmpRefused:
            # A disk may be unplugged at any moment.
            if attempt == 2:
                raise
        else:
            return


async def _watched(
    source: QemuSource, request: Profile, progress: OnProgress, prefix: str, kept: Lifeline | None, stop: asyncio.Event
) -> Profiled:
    async with _session(source.qmp) as session:
        found = await survey(session, source.disks, source.exclude)
        await remove_records(session, prefix)
        if not found.disks:
            raise InvalidRequest("this VM has no disk to watch", hint="name some that it has")
        watch = _Watch(prefix, found.disks, request.every, ladder(request.every, request.seconds))
        watch.counts = [[] for _ in watch.steps]
        sizes = [disk.size for disk in found.disks]
        granularity = granularity_of(sizes, len(watch.steps), MEMORY, FINEST, GRANULARITY)
        everything = watch.names(range(len(watch.steps)))
        armed = None
        if kept is not None:
            removals = [("block-dirty-bitmap-remove", {"node": node, "name": name}) for node, name in everything]
            armed = await kept.arm(session.descriptor, Order(*qmp_lines(removals)))
    try:
        async with _session(source.qmp) as session:
            await session.transaction([_beginning(node, name, granularity) for node, name in everything])
        passed = await _counting(source, watch, request, progress, stop)
    finally:
        await finish(_ended(source.qmp, prefix))
        if kept is not None and armed is not None:
            await kept.disarm(armed)
    spans = [counted(step * watch.every, counts) for step, counts in zip(watch.steps, watch.counts, strict=True) if counts]
    return Profiled(machine=request.machine, seconds=passed, granularity=granularity, disk_bytes=sum(sizes), spans=tuple(spans))


async def _counting(source: QemuSource, watch: _Watch, request: Profile, progress: OnProgress, stop: asyncio.Event) -> float:
    """Each span as it ends; how many seconds that took."""
    began = time.monotonic()
    for tick in range(1, round(request.seconds / watch.every) + 1):
        progress(Progress(phase="watch", done=round((tick - 1) * watch.every), total=round(request.seconds)))
        if await stopped(stop, began + tick * watch.every):
            break
        async with _session(source.qmp) as session:
            due = watch.due(tick)
            counts = _dirty(await session.execute("query-named-block-nodes", {"flat": True}), watch.names(due))
            # Before it does anything QEMU waits for all requests under way: not for nothing.
            await session.transaction([_clearing(node, name) for node, name in watch.names(due) if counts[node, name]])
        for rung in due:
            watch.counts[rung].append(sum(counts[name] for name in watch.names([rung])))
    passed = time.monotonic() - began
    async with _session(source.qmp) as session:
        now = await survey(session, source.disks, source.exclude)
    if now.disks != watch.disks:
        # Below a snapshot a record goes on, and counts nothing any more.
        raise _lost()
    return passed


def _dirty(nodes: Sequence[Mapping[str, Any]], wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Bytes, by node and name."""
    found = {
        (node["node-name"], bitmap.get("name", "")): bitmap["count"]
        for node in nodes
        for bitmap in node.get("dirty-bitmaps", ())
        if bitmap["recording"]
    }
    if not found.keys() >= set(wanted):
        raise _lost()
    return found


def _lost() -> SourceUnavailable:
    return SourceUnavailable(
        "what counted this VM's changes is not there any more",
        hint="was the VM started again, a disk replaced, or a snapshot taken? say it again",
    )


async def _ended(qmp: str, prefix: str) -> None:
    with suppress(SourceUnavailable):
        # With the VM all its records are gone.
        async with _session(qmp) as session:
            await remove_records(session, prefix)


@asynccontextmanager
async def _session(qmp: str) -> AsyncIterator[QmpSession]:
    """The one that this process has already, or one for a moment: a QMP socket serves one client at a time."""
    held = QmpSession.held(qmp)
    if held is not None:
        yield held
        return
    session = await QmpSession.connect(qmp)
    try:
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def _kept(qmp: str) -> AsyncIterator[Lifeline]:
    session = await QmpSession.connect(qmp)
    try:
        async with Lifeline() as lifeline:
            yield lifeline
    finally:
        await session.close()


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield None


def _beginning(node: str, name: str, granularity: int) -> Action:
    return "block-dirty-bitmap-add", {"node": node, "name": name, "persistent": False, "granularity": granularity}


def _clearing(node: str, name: str) -> Action:
    return "block-dirty-bitmap-clear", {"node": node, "name": name}


def _removal(node: str, name: str) -> Action:
    return "block-dirty-bitmap-remove", {"node": node, "name": name}
