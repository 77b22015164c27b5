"""Exporting and importing seeds."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from understudy import engine
from understudy.errors import Conflict
from understudy.local.parts import Parts
from understudy.local.recovering import listener_of
from understudy.local.replicating import replicator_of
from understudy.local.site import Site
from understudy.local.views import points_of
from understudy.recovery.carry import Carried
from understudy.recovery.seed import begin_packs, export_point, import_packs, import_vault, must_be_of, must_hold, seeded_machine
from understudy.replication.report import CycleProgress
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.kinds import PackRef
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

OpenVault: TypeAlias = Callable[[ObjectStore], Awaitable[Vault]]


async def exported(
    vault: Vault,
    log: MachineLog,
    parts: Parts,
    site: Site,
    request: engine.SeedExport,
    reads: OpenVault,
    progress: engine.OnProgress,
) -> engine.Seeded:
    """The directory is made, its parents are not. Killed in between, it is said again."""
    began = time.monotonic()
    async with _opened(parts.make_store(Path(request.directory).as_uri())) as target:
        if request.point is None:
            done = await _initial(vault, log, parts, site, target, progress)
            return _seeded("initial", log.state.name, None, request.directory, done, began)
        done = await export_point(vault, log, request.point, target, listener_of(progress))
        await must_hold(await reads(target), log.machine_id, request.point)
    point = next(point for point in points_of(log.state) if point.id == request.point)
    return _seeded("point", log.state.name, point, request.directory, done, began)


async def imported(
    url: str,
    opened: Callable[[], Awaitable[Vault]],
    parts: Parts,
    request: engine.SeedImport,
    reads: OpenVault,
    progress: engine.OnProgress,
) -> engine.Seeded:
    """A seed with a whole vault in it may go into an empty place, which is made; its parents are not."""
    began = time.monotonic()
    async with _opened(parts.open_store(Path(request.directory).as_uri())) as seed:
        if not await seeded_machine(seed):
            async with _opened(parts.open_store(url)) as target:
                await must_be_of(seed, target)
            log, done = await import_packs(seed, await opened(), listener_of(progress))
            return _seeded("initial", log.state.name, None, request.directory, done, began)
        async with _opened(parts.make_store(url)) as target:
            await must_be_of(seed, target)
            done = await import_vault(await reads(seed), target, listener_of(progress))
    return _seeded("point", None, None, request.directory, done, began)


async def _initial(vault: Vault, log: MachineLog, parts: Parts, site: Site, target: ObjectStore, progress: engine.OnProgress) -> Carried:
    def tell(now: CycleProgress) -> None:
        progress(engine.Progress(phase=now.phase, done=now.done, total=now.total or None))

    with site.own(vault.id, log) as directory:
        replicator = replicator_of(vault, log, parts, site, directory)
        try:
            await replicator.open()
            await begin_packs(vault, target)
            packs = await replicator.seed(target, tell)
        finally:
            await replicator.close()
    here, gone = await _found(vault, log, target, packs)
    if gone:
        raise Conflict(
            f"{gone} of the {len(packs)} packs of this initial replication are neither here nor in the vault",
            hint="an earlier export put them into another directory: import that one as well, or unprotect and protect the machine again",
        )
    return Carried(len(packs), here, sum(pack.size for pack in packs))


async def _found(vault: Vault, log: MachineLog, target: ObjectStore, packs: tuple[PackRef, ...]) -> tuple[int, int]:
    """How many packs are in the target, and how many are neither there nor in the vault."""
    here = gone = 0
    for pack in packs:
        name = names.pack(log.machine_id, pack.id.hex())
        if await target.head(name) is not None:
            here += 1
        elif await vault.store.head(name) is None:
            gone += 1
    return here, gone


def _seeded(
    kind: engine.SeedKind, machine: str | None, point: engine.Point | None, directory: str, done: Carried, began: float
) -> engine.Seeded:
    return engine.Seeded(
        kind=kind,
        machine=machine,
        point=point,
        directory=directory,
        objects=done.objects,
        copied=done.copied,
        copied_bytes=done.bytes,
        seconds=time.monotonic() - began,
    )


@asynccontextmanager
async def _opened(store: ObjectStore) -> AsyncIterator[ObjectStore]:
    try:
        yield store
    finally:
        await store.close()
