"""The second vault: made, brought on, proven."""

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from understudy import engine
from understudy.errors import IntegrityError, NotFound, UnderstudyError, Unsupported
from understudy.local.collecting import COLLECTOR
from understudy.local.ownership import owned
from understudy.local.parts import Parts
from understudy.local.recovering import listener_of
from understudy.local.second_proof import SECOND
from understudy.local.site import Site
from understudy.recovery.scrub import scrub_vault
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.collect.collector import Collector
from understudy.vault.copy.copier import Copier, Reached, reached
from understudy.vault.copy.leap import drop_staged
from understudy.vault.copy.marker import read_marker
from understudy.vault.copy.place import begin_copy, finish_copy
from understudy.vault.copy.slots import drop_revoked, surplus
from understudy.vault.copy.whole import lacks
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault


class SecondFacade(ABC):
    """Part of an engine: what it does with copies of its vault."""

    _connection: engine.Connection
    _parts: Parts
    _site: Site

    @abstractmethod
    async def _opened(self) -> Vault: ...

    @abstractmethod
    async def _find(self, vault: Vault, machine: str) -> MachineLog: ...

    @abstractmethod
    def _reads(self) -> Callable[[ObjectStore], Awaitable[Vault]]: ...

    async def create_second(self, request: engine.CreateSecond) -> engine.Brought:
        """Repeatable. `Conflict` unless the place is empty, or a copy of this vault already."""
        began, vault = time.monotonic(), await self._opened()
        async with _closing(self._parts.make_store(request.url)) as target:
            await begin_copy(vault, target)
            copier = Copier(vault, target)
            await copier.settings(slots=False)
            await finish_copy(vault, copier.ferry)
        return engine.Brought(
            url=request.url,
            machines=(),
            objects=copier.ferry.copied[0],
            bytes=copier.ferry.copied[1],
            deleted=0,
            seconds=time.monotonic() - began,
        )

    async def bring_second(self, request: engine.BringSecond, progress: engine.OnProgress) -> engine.Brought:
        """Repeatable; killed in between it goes on where it was. `StoreUnavailable` where no copy is. What is wrong with one machine is
        raised once all others were brought on, and nothing is deleted then."""
        began, vault = time.monotonic(), await self._opened()
        logs, wrong = list[MachineLog](), list[UnderstudyError]()
        for machine in request.machines or await vault.ids():
            try:
                logs.append(await self._find(vault, machine))
            except (IntegrityError, Unsupported) as error:
                wrong.append(error)
        if not request.machines:
            logs.sort(key=lambda log: (log.state.name, log.machine_id))
        async with _closing(self._parts.open_store(request.url)) as target:
            copier = Copier(vault, target)
            await copier.settings()
            shown = []
            for done, log in enumerate(logs):
                progress(engine.Progress(phase=f"copy {log.state.name}", done=done, total=len(logs)))
                try:
                    shown.append(second_machine(log.state, await copier.machine(log)))
                except UnderstudyError as error:
                    if error.retryable:
                        raise
                    wrong.append(error)
            if wrong:
                raise wrong[0]
            deleted = 0
            if request.collect:
                deleted = await self._cleared(target, [log.machine_id for log in logs])
        return engine.Brought(
            url=request.url,
            machines=tuple(shown),
            objects=copier.ferry.copied[0],
            bytes=copier.ferry.copied[1],
            deleted=deleted,
            seconds=time.monotonic() - began,
        )

    async def verify_second(self, url: str, progress: engine.OnProgress) -> engine.VerifiedSecond:
        """Scrub all of the copy, and see whether its logs' kept points have all that they need. The vault itself is asked for its key slots
        only, and need not be there; the copy alone may be named in its place. `NotFound` where there is no copy."""
        async with _closing(self._parts.open_store(url)) as target:
            if await read_marker(target) is None:
                raise NotFound(f"there is no copy of a vault at {url}", hint="is its file system mounted?")
            scrubbed = await scrub_vault(target, listener_of(progress))
            damage = {found.name: engine.Damage(name=found.name, reason=found.reason) for found in scrubbed.damage}
            copy = await self._reads()(target)
            shown = []
            for machine_id in await copy.ids():
                try:
                    log = await copy.find(machine_id)
                    found = await lacks(copy, log)
                except UnderstudyError as error:
                    if error.retryable:
                        raise
                    damage[names.machine(machine_id)] = engine.Damage(name=names.machine(machine_id), reason=error.message)
                    continue
                damage |= {lack.name: engine.Damage(name=lack.name, reason=lack.reason) for lack in found if lack.name not in damage}
                shown.append(second_machine(log.state, reached(log.state, log.head.seq)))
            keys = None
            if url != self._connection.vault:
                with contextlib.suppress(UnderstudyError):
                    keys = (await surplus((await self._opened()).store, target, copy.settings)).others
        return engine.VerifiedSecond(
            url=url,
            machines=tuple(shown),
            objects=scrubbed.objects,
            read_bytes=scrubbed.read,
            seconds=scrubbed.seconds,
            damage=tuple(damage[name] for name in sorted(damage)),
            keys=tuple(key.removeprefix(names.KEYS) for key in keys) if keys is not None else None,
        )

    async def _cleared(self, target: ObjectStore, machines: list[str]) -> int:
        """What the copy's own logs say may go is gone, once this host has known it for its grace."""
        copy, marker = await self._reads()(target), await read_marker_id(target)
        deleted = 0
        for machine_id in machines:
            deleted += (await cleared(copy, await copy.find(machine_id), self._site, marker)).deleted
        return deleted + await drop_revoked(target, copy.settings)


class Cleared(NamedTuple):
    """Objects and records that went, and those whose grace has not passed."""

    deleted: int
    waiting: int


async def cleared(copy: Vault, log: MachineLog, site: Site, marker: str) -> Cleared:
    """`AccessDenied` without an operator's key. `Busy` while another process of this host is at it."""
    directory = site.directory(copy.id, log.machine_id) / SECOND / marker
    with owned(directory / COLLECTOR, f"the deletion in a copy of {log.state.name!r}"):
        done = await Collector(copy, log, directory / COLLECTOR, 0).carry_out()
        staged = await drop_staged(copy.store, names.machine(log.machine_id), log.state.trimmed)
    return Cleared(done.deleted[0] + done.swept[0] + staged, done.waiting[0] + done.trimmed[0])


async def read_marker_id(store: ObjectStore) -> str:
    marker = await read_marker(store)
    if marker is None:
        raise NotFound("there is no copy of a vault here", hint="is its file system mounted?")
    return marker.id.hex()


def second_machine(state: MachineState, done: Reached) -> engine.SecondMachine:
    return engine.SecondMachine(
        machine=state.name,
        machine_id=state.id,
        point=done.point.seq if done.point is not None else None,
        frozen_at=done.point.point.frozen_at if done.point is not None else None,
        behind=done.behind,
        lag_seconds=done.lag,
        points=len(state.points) - done.behind,
    )


@asynccontextmanager
async def _closing(store: ObjectStore) -> AsyncIterator[ObjectStore]:
    try:
        yield store
    finally:
        await store.close()
