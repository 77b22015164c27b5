"""A copy becomes the vault: what that would cost, and the steps, each found done when it is said again."""

import asyncio
import contextlib
import shlex
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Protocol, TypeVar

from understudy import engine
from understudy.engine import promotion
from understudy.errors import AccessDenied, Busy, Conflict, IntegrityError, NotFound, UnderstudyError
from understudy.local.key_files import unlock_of
from understudy.local.ownership import owned
from understudy.local.parts import Parts
from understudy.local.policy_file import read_policy
from understudy.local.site import DAEMON, Site
from understudy.vault import kinds
from understudy.vault.copy.follow import must_have_followed
from understudy.vault.copy.marker import Marker, read_marker
from understudy.vault.copy.promote import Prospect, close_log, closed_logs, prospects
from understudy.vault.keys.unlock import Unlock
from understudy.vault.log import lineage
from understudy.vault.memory import Memory
from understudy.vault.vault import Vault

PROMOTING = "promoting"
"""Below the vault's directory here: what is remembered of a promotion while it is done."""


class PromotionFacade(ABC):
    """Part of an engine: it promotes a copy of its vault, which need not be there any more."""

    _parts: Parts
    _site: Site
    _connection: engine.Connection

    @abstractmethod
    def _credential(self) -> engine.Credential: ...

    async def prospects(self, url: str) -> promotion.Prospects:
        async with self._copy(url) as (copy, marker), self._former(copy.id) as (former, why):
            memory = await asyncio.to_thread(Memory.of, self._site.state, copy.id)
            await must_have_followed(memory, copy.settings.promotions)
            for gone in (copy.settings.given_up, former.settings.given_up if former is not None else None):
                if gone is not None and gone.promotion != marker.id:
                    raise Conflict(
                        f"copy {gone.promotion.hex()} was promoted before, and this is copy {marker.id.hex()}",
                        hint=f"name the promoted one as the vault: {gone.where}",
                    )
            seen = await asyncio.to_thread(lineage.marks, memory)
            found = await prospects(copy, seen, former)
            done = any(promoted.id == marker.id for promoted in copy.settings.promotions)
        return promotion.Prospects(url=url, vault_id=copy.id, vault=why, promoted=done, machines=tuple(map(_prospect, found)))

    async def promote_second(self, request: promotion.PromoteSecond) -> promotion.Promoted:
        """`IntegrityError` if points of the copy are not whole, unless that was said to be meant; `AccessDenied` without an operator's key;
        `Conflict` or `RolledBack` where another copy was promoted; `Busy` while this site's daemon runs. Nothing was done then."""
        with ExitStack() as stack:
            try:
                stack.enter_context(owned(self._site.state / DAEMON, "this site's state directory"))
            except Busy as error:
                hint = "stop this site's daemon first (systemctl stop understudy): it would go on with the former vault; VMs run on"
                raise Busy(error.message, hint=hint) from error
            return await self._promote(request)

    async def _promote(self, request: promotion.PromoteSecond) -> promotion.Promoted:
        shown = await self.prospects(request.url)
        meant = request.despite or shown.promoted
        if not meant:
            _must_be_whole([(damage.name, damage.reason) for machine in shown.machines for damage in machine.damage])
        unlock = await asyncio.to_thread(unlock_of, self._credential())
        aside = Memory.of(self._site.state, shown.vault_id).directory / PROMOTING
        async with self._copy(request.url) as (_, marker):
            id_ = marker.id.hex()
            store = self._parts.open_store(request.url)
            async with _closing(await Vault.open_aside(store, unlock, aside / id_)) as copy:
                if copy.identity.role != "operator":
                    raise AccessDenied("a source's key cannot promote a copy", hint="use an operator's key")
                logs, damaged = await closed_logs(copy, marker.id)
                if not meant:
                    _must_be_whole(list(damaged.items()))
                ends = tuple(kinds.LogEnd(machine=bytes.fromhex(log.machine_id), seq=log.head.seq, hash=log.head.hash) for log in logs)
                await copy.promote(ends, request.url)
                told = await self._give_up(shown.vault_id, id_, request.url, unlock)
                (promoted,) = (promoted for promoted in copy.settings.promotions if promoted.id == marker.id)
                heads = {end.machine.hex(): end.seq for end in promoted.heads}
                for log in logs:
                    await close_log(copy, log, heads.get(log.machine_id, 0), id_)
                sites = tuple(sorted({log.state.site for log in logs if log.state.site}))
        async with _closing(await self._opened_at(request.url, unlock)):
            pass  # This site goes by it from now on.
        named = {log.machine_id: log.state.name for log in logs}
        seconds = await asyncio.to_thread(_naming, self._site, shown.vault_id, named, request.url)
        return promotion.Promoted(url=request.url, copy=id_, machines=len(logs), told=told, sites=sites, seconds=seconds)

    async def _give_up(self, vault_id: str, promotion: str, where: str, unlock: Unlock) -> str:
        """Why the former vault could not be told; empty if it was."""
        aside = Memory.of(self._site.state, vault_id).directory / PROMOTING / f"{promotion}.former"
        try:
            store = self._parts.open_store(self._connection.vault)
            async with _closing(store):
                former = await Vault.open_aside(store, unlock, aside)
                if former.id != vault_id:
                    return f"another vault is at {self._connection.vault}"
                await former.give_up(promotion, where)
        except UnderstudyError as error:
            return error.message
        return ""

    @asynccontextmanager
    async def _copy(self, url: str) -> AsyncIterator[tuple[Vault, Marker]]:
        if url == self._connection.vault:
            raise Conflict(
                f"{url} is named both as the copy and as the vault that it takes the place of",
                hint=f"--vault names the lost vault: understudy vault promote {shlex.quote(url)} --vault URL-OF-THE-LOST-VAULT; "
                "`understudy vault info` says what a place is",
            )
        store = self._parts.open_store(url)
        async with _closing(store):
            marker = await read_marker(store)
            if marker is None:
                hint = "is its file system mounted? `understudy vault info --vault URL` says what a place is"
                raise NotFound(f"there is no copy of a vault at {url}", hint=hint)
            unlock = await asyncio.to_thread(unlock_of, self._credential())
            yield await Vault.open(store, unlock, None), marker

    @asynccontextmanager
    async def _former(self, vault_id: str) -> AsyncIterator[tuple[Vault | None, str]]:
        """The vault that is named, if it can be read, and is the one; else why not."""
        async with contextlib.AsyncExitStack() as stack:
            found: tuple[Vault | None, str]
            try:
                store = await stack.enter_async_context(_closing(self._parts.open_store(self._connection.vault)))
                former = await Vault.open(store, await asyncio.to_thread(unlock_of, self._credential()), None)
                found = (former, "") if former.id == vault_id else (None, f"another vault is at {self._connection.vault}")
            except UnderstudyError as error:
                found = None, error.message
            yield found

    async def _opened_at(self, url: str, unlock: Unlock) -> Vault:
        return await Vault.open(self._parts.open_store(url), unlock, self._site.state)


def _must_be_whole(damaged: Sequence[tuple[str, str]]) -> None:
    """Names of what is not, and why."""
    if damaged:
        hint = "`understudy vault copy verify` names all of it. If there is nothing better: --despite-damage"
        raise IntegrityError(f"the copy is not whole: {damaged[0][0]}: {damaged[0][1]}", hint=hint)


def _naming(site: Site, vault_id: str, machines: Mapping[str, str], url: str) -> tuple[str, ...]:
    """Names of the machines whose own policy here names this place as their second vault. Blocks."""
    found = []
    for machine_id, name in machines.items():
        policy = read_policy(site.directory(vault_id, machine_id))
        if policy is not None and policy.second.rstrip("/") == url.rstrip("/"):
            found.append(name)
    return tuple(sorted(found))


def _prospect(found: Prospect) -> promotion.Prospect:
    state = found.state
    newest = state.points[-1] if state is not None and state.points else None
    return promotion.Prospect(
        machine=found.name or found.machine_id,
        machine_id=found.machine_id,
        point=newest.seq if newest is not None else None,
        frozen_at=newest.point.frozen_at if newest is not None else None,
        points=len(state.points) if state is not None else 0,
        damage=tuple(engine.Damage(name=lack.name, reason=lack.reason) for lack in found.lacks),
        lost=tuple(entry.seq for entry in found.points) if found.points is not None else None,
        records=max(found.beyond, 0),
        failed_over=state is not None and found.epoch > state.epoch,
    )


class _Closable(Protocol):
    async def close(self) -> None: ...


T = TypeVar("T", bound=_Closable)


@asynccontextmanager
async def _closing(opened: T) -> AsyncIterator[T]:
    try:
        yield opened
    finally:
        await opened.close()
