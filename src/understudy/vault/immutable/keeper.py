"""Locks what kept points need, again and again: at any time all of it is locked for as long as the policy says, and a bit.

What that is: everything of the machine's but what was condemned, what a trim gave up, and what is no part of it; and with it what every
reader of the vault needs. More than kept points need is that only for a while, and no footer must be read to know it.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from understudy.finish import finish_in_thread
from understudy.store.locks import Locks, Stored, Terms
from understudy.vault import names
from understudy.vault.concurrent import each
from understudy.vault.immutable import ledger
from understudy.vault.immutable.decide import NEAR, Known, Order, Plan, Wanted, plan
from understudy.vault.immutable.ledger import Ledger
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState

REQUESTS = 8
"""At once."""
BATCH = 512
"""Locks between two notes of them."""


@dataclass(frozen=True, slots=True)
class Held:
    """What holds when a run has ended. Times in seconds since 1970, by the store's clock.

    `until`: everything that points up to record `head` need is locked until then at least. `locked`: how many were locked now, of all
    `objects`. `first`: seconds for which a new object is locked by the store's own rule. `covered`, `lost`: names of what somebody deleted
    or overwrote though it was locked, and can be brought back; and of what is gone all the same.
    """

    at: float
    until: float
    head: int
    objects: int
    locked: int
    first: float
    covered: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def __add__(self, other: "Held") -> "Held":
        return replace(
            self,
            until=min(self.until, other.until),
            objects=self.objects + other.objects,
            locked=self.locked + other.locked,
            covered=self.covered + other.covered,
            lost=self.lost + other.lost,
        )


@dataclass(frozen=True, slots=True)
class Keeper:
    """The caller sees to it that no other of this host is at work with `directory`, which need not exist.

    `seconds`, `period` as `Wanted` has them.
    """

    locks: Locks
    directory: Path
    seconds: float
    period: float

    async def machine(self, log: MachineLog) -> Held:
        """`log`: read to its end before. `StoreUnavailable`, `StoreRefused`: what was locked so far is known, the rest is next time's."""
        owner, gone = names.machine(log.machine_id), given_up(log.state)
        head = log.head.seq
        return replace(await self._keep(parts_of(owner, log.state.trimmed), lambda stored: stored.name in gone, owner), head=head)

    async def vault(self, machine_id: str) -> Held:
        """What every reader needs: descriptor, key slots, settings. `machine_id`: of any machine; when it came, the vault was whole."""
        first = names.record(names.machine(machine_id), 1)
        born = [version.at for version in (await anext(self.locks.stored(first), Stored(first, ()))).versions]
        return await self._keep(
            [(part, "") for part in (names.DESCRIPTOR, names.KEYS, names.SETTINGS + "/")], _is_no_part, "vault", min(born, default=0.0)
        )

    async def _keep(self, prefixes: Sequence[tuple[str, str]], passes: Callable[[Stored], bool], what: str, born: float = 0.0) -> Held:
        path = self.directory / f"{what.replace('/', '_')}.locks"
        terms = await self.locks.terms()
        book = await asyncio.to_thread(ledger.load, path)
        book.rule = book.rule.now(terms)
        found = await self._planned(prefixes, passes, book, terms, born)
        if found.sample is not None and not await self._holds(*found.sample):
            # The rule was changed, and changed back, or never held: nothing that it should have locked is taken for locked.
            book.rule = book.rule.from_now(terms)
            found = await self._planned(prefixes, passes, book, terms, born)
        book.known = found.known
        for start in range(0, len(found.orders), BATCH):
            try:
                await self._lock(found.orders[start : start + BATCH], found.until, book)
            finally:
                await finish_in_thread(partial(ledger.save, path, book))
        if not found.orders:
            await finish_in_thread(partial(ledger.save, path, book))
        return Held(terms.now, found.held, 0, found.objects, len(found.orders), terms.first, found.covered, found.lost)

    async def _planned(
        self, prefixes: Sequence[tuple[str, str]], passes: Callable[[Stored], bool], book: Ledger, terms: Terms, born: float
    ) -> Plan:
        found = [stored for prefix, after in prefixes async for stored in self.locks.stored(prefix, after) if not passes(stored)]
        return await asyncio.to_thread(plan, found, book.known, book.rule, Wanted(terms.now, self.seconds, self.period), born)

    async def _lock(self, orders: Collection[Order], until: float, book: Ledger) -> None:
        async def one(order: Order) -> None:
            await self.locks.lock(order.name, order.version, until)
            book.known[order.name] = Known(order.version, until)

        await each(REQUESTS, one, list(orders))

    async def _holds(self, order: Order, until: float) -> bool:
        known = await self.locks.locked(order.name, order.version)
        return known is not None and known.strict and known.until >= until - NEAR


def given_up(state: MachineState) -> frozenset[str]:
    """Full names of what may be deleted, or is deleted already."""
    return frozenset(f"{names.machine(state.id)}/{name}" for condemned in state.condemned for name in condemned.names)


def parts_of(owner: str, trimmed: int) -> list[tuple[str, str]]:
    """Prefixes of what a machine is made of, each with the name after which it begins. Of the records that a trim speaks of only the first
    one stays; where they are covered and locked there may be a million of them."""
    log = names.log(owner)
    records = [(names.record(owner, 1), ""), (log, names.record(owner, trimmed))] if trimmed else [(log, "")]
    return [*records, *((f"{owner}/{kind}/", "") for kind in ("maps", "objects", "packs"))]


def _is_no_part(stored: Stored) -> bool:
    """What merely begins like the descriptor's name."""
    return stored.name.startswith(names.DESCRIPTOR) and stored.name != names.DESCRIPTOR
