"""One second vault's loop: the machines whose policies name it are copied there, behind their cycles and never before them."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from understudy.daemon.second_prover import Copies, SecondProver
from understudy.daemon.track import failure_of
from understudy.engine import Failure, ReplicationPolicy, Second, Severity
from understudy.engine.second import SecondState
from understudy.engine.units import count
from understudy.errors import AccessDenied, Conflict, Diverged, StoreRefused, StoreUnavailable, UnderstudyError
from understudy.jobs.journal import Journal
from understudy.local.second import cleared, read_marker_id
from understudy.local.second_proof import Proof
from understudy.scheduler.retry import Kind, judge
from understudy.scheduler.second import SecondFacts
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.copy.copier import Copier, Reached
from understudy.vault.copy.copier import reached as reached_of
from understudy.vault.copy.place import must_be_copy
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault

POLL = 2.0
"""Seconds between two looks at the logs that this daemon appends to: nothing is asked of a store where nothing came."""
LOOK = 60.0
"""Seconds between two looks at all the rest: settings, what other sites say of the machines, whether the copy is still what it was."""
SLOTS = 600.0
_NOT_OURS = frozenset(kind.code for kind in (Diverged, Conflict, StoreUnavailable, StoreRefused, AccessDenied))
"""Failures where the place is away, or may be no copy of this vault any more: nothing there is replaced."""


class Logs(Copies, Protocol):
    """What a carrier needs of the engine."""

    def at_hand(self, machine: str) -> tuple[Vault, MachineLog] | None:
        """The log of a machine that is replicated now, as its loop has read it."""
        ...

    async def is_operator(self) -> bool: ...


class Due(NamedTuple):
    """A machine whose log has records, up to `head`, that the copy may lack."""

    machine: str
    vault: Vault
    log: MachineLog
    head: int


@dataclass(slots=True)
class Carried:
    """One machine's copy, as far as it is known. `head`: the last record that was copied, -1: it is not known."""

    policy: ReplicationPolicy
    since: float
    head: int = -1
    reached: Reached | None = None
    seen_at: int | None = None
    failure: Failure | None = None
    kind: Kind | None = None
    failures: int = 0
    again: float = 0.0
    """When it may be tried again."""
    clearing: str = ""
    settled: tuple[int, ...] = ()
    """Condemnations and trims that were carried out in the copy, all of them."""


class VaultAway(StoreUnavailable):
    """It is not the copy that does not answer, but what is to be copied. Never shown: the machines themselves say so."""


def provable(carried: Carried) -> bool:
    """Something of the machine may be in the copy, and it is the vault's. Pure."""
    if carried.failure is not None:
        return carried.failure.code not in _NOT_OURS
    return carried.reached is not None and carried.reached.head > 0


class SecondCarrier:
    """`run` until cancelled. `policies`: of the machines (by id) that are to be copied there now. `every`: seconds between two rounds of
    deleting what the copy's log says may go."""

    def __init__(
        self,
        url: str,
        engine: Logs,
        open_store: Callable[[str], ObjectStore],
        policies: Callable[[str], dict[str, ReplicationPolicy]],
        every: Callable[[], float],
        journal: Journal,
    ) -> None:
        self.url = url
        self._machines: dict[str, Carried] = {}
        self._engine = engine
        self._open_store = open_store
        self._policies = policies
        self._every = every
        self._journal = journal
        self._failures = 0
        self._looked = self._slotted = 0.0
        self._cleared = time.monotonic()
        self._clearing: asyncio.Task[None] | None = None
        self._proving: asyncio.Task[None] | None = None
        self._prover = SecondProver(url, engine, journal)

    async def run(self) -> None:
        while True:
            store = None
            try:
                store = self._open_store(self.url)
                await self._follow(store)
            except Exception as error:
                # Of the store, or of the copy as a whole; also a fault of our own is told and tried again.
                self._failures += 1
                verdict = judge(error, self._failures, random.random())
                if not isinstance(error, VaultAway):
                    for machine, carried in self._wanted().items():
                        self._failed(machine, carried, error, verdict.kind)
                seconds = verdict.seconds if verdict.seconds is not None else 300.0
            finally:
                await self._stop()
                if store is not None:
                    await store.close()
            await asyncio.sleep(seconds)

    def facts(self, machine: str) -> SecondFacts | None:
        carried = self._machines.get(machine)
        if carried is None:
            return None
        at_hand = self._engine.at_hand(machine)
        if at_hand is not None and carried.reached is not None:
            carried.reached = reached_of(at_hand[1].state, carried.reached.head)
        return SecondFacts(
            policy=carried.policy,
            second=self._shown(carried, self._prover.proof(machine)),
            since=time.monotonic() - carried.since,
            failure=carried.failure,
            kind=carried.kind,
            failures=carried.failures,
            clearing=carried.clearing,
            verified_age=self._prover.age(machine),
        )

    def _shown(self, carried: Carried, proof: Proof | None) -> Second:
        reached = carried.reached
        point = reached.point if reached is not None else None
        state: SecondState = "waiting" if reached is None else "copying" if reached.behind else "current"
        return Second(
            url=self.url,
            state="failing" if carried.failure is not None else state,
            point=point.seq if point is not None else None,
            frozen_at=point.point.frozen_at if point is not None else None,
            behind=reached.behind if reached is not None else None,
            lag_seconds=reached.lag if reached is not None else None,
            seen_at=carried.seen_at,
            failure=carried.failure.message if carried.failure is not None else "",
            verified_at=proof.at or None if proof is not None else None,
            damage=proof.damage if proof is not None else "",
        )

    def _wanted(self) -> dict[str, Carried]:
        policies = self._policies(self.url)
        for machine, policy in policies.items():
            self._machines.setdefault(machine, Carried(policy, time.monotonic())).policy = policy
        for machine in self._machines.keys() - policies.keys():
            del self._machines[machine]
        return self._machines

    async def _follow(self, store: ObjectStore) -> None:
        """Until something fails that concerns all machines."""
        copier: Copier | None = None
        self._looked = self._slotted = 0.0
        while True:
            look = time.monotonic() - self._looked >= LOOK
            due = await self._due(look=look)
            if due:
                vault = due[0].vault
                if look:
                    await self._must_be_there(vault)
                if copier is None or copier.vault is not vault:
                    copier = Copier(vault, store)
                try:
                    await self._round(copier, [each for each in due if each.vault is vault], look=look)
                except StoreUnavailable as error:
                    await _must_answer(vault, error)
                    raise
                self._failures = 0
            if time.monotonic() - self._cleared >= self._every() and (self._clearing is None or self._clearing.done()):
                self._cleared = time.monotonic()
                self._clearing = asyncio.create_task(self._clear(store), name=f"clearing {self.url}")
            if self._proving is None or self._proving.done():
                self._proving = asyncio.create_task(self._prover.run(store, self._provable()), name=f"proving {self.url}")
            await asyncio.sleep(POLL)

    def _provable(self) -> dict[str, float]:
        """How often each is to be verified: those that the copy has, or may have. What copying fails on may be what is healed then."""
        return {machine: carried.policy.verify_every for machine, carried in self._machines.items() if provable(carried)}

    async def _stop(self) -> None:
        tasks = [task for task in (self._clearing, self._proving) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _must_be_there(self, vault: Vault) -> None:
        """Also by its address: what is open may be a file system that was taken away."""
        store = self._open_store(self.url)
        try:
            await must_be_copy(vault, store)
        finally:
            await store.close()

    async def _due(self, *, look: bool) -> list[Due]:
        found, now = list[Due](), time.monotonic()
        for machine, carried in list(self._wanted().items()):
            at_hand = self._engine.at_hand(machine)
            if now < carried.again or (at_hand is None and not look):
                continue
            try:
                vault, log = at_hand or await self._engine.watched(machine)
            except StoreUnavailable as error:
                raise VaultAway(error.message, hint=error.hint) from error
            except Exception as error:
                # A log that does not read keeps no other machine's copy from being brought on.
                self._tripped(machine, carried, error)
                continue
            if look or log.head.seq != carried.head:
                found.append(Due(machine, vault, log, log.head.seq))
        return found

    async def _round(self, copier: Copier, due: Sequence[Due], *, look: bool) -> None:
        now = time.monotonic()
        slots = now - self._slotted >= SLOTS
        await copier.settings(slots=slots)
        self._slotted = now if slots else self._slotted
        for machine, _, log, head in due:
            carried = self._machines.get(machine)
            if carried is None:
                continue
            try:
                carried.reached = await copier.machine(log, head)
            except StoreUnavailable:
                raise
            except Exception as error:
                copier.forget(log)
                self._tripped(machine, carried, error, log.state.name)
            else:
                carried.head, carried.seen_at = head, time.time_ns()
                self._well(machine, carried, log.state.name)
        self._looked = now if look else self._looked

    async def _clear(self, store: ObjectStore) -> None:
        """What fails here holds up nothing else, and is tried again with the next round."""
        for machine, carried in list(self._machines.items()):
            at_hand = self._engine.at_hand(machine)
            if at_hand is None or carried.failure is not None or carried.reached is None:
                continue
            state = at_hand[1].state
            says = (*(condemned.seq for condemned in state.condemned), *(trim.seq for trim in state.trims))
            if says == carried.settled:
                continue
            try:
                if not store.capabilities.deletes or not await self._engine.is_operator():
                    return
                copy = await self._engine.copy_of(store)
                done = await cleared(copy, await copy.find(machine), self._engine.site, await read_marker_id(store))
            except UnderstudyError as error:
                carried.clearing = error.message
                continue
            except Exception as error:
                self._journal.fault(f"deleting in the second vault of {state.name} broke: {error}", error, machine=machine)
                continue
            carried.clearing = ""
            carried.settled = () if done.waiting else says
            if done.deleted:
                message = f"{count(done.deleted, 'object')} that no point of {state.name} needs went from its second vault"
                self._journal.tell("second.cleared", "info", message, machine=machine)

    def _tripped(self, machine: str, carried: Carried, error: Exception, name: str = "") -> None:
        """This machine alone waits for its next try."""
        verdict = judge(error, carried.failures + 1, random.random())
        carried.again = time.monotonic() + (verdict.seconds if verdict.seconds is not None else 300.0)
        self._failed(machine, carried, error, verdict.kind, name)

    def _failed(self, machine: str, carried: Carried, error: Exception, kind: Kind, name: str = "") -> None:
        before = carried.failure.message if carried.failure is not None else ""
        carried.failure, carried.kind, carried.failures = failure_of(error), kind, carried.failures + 1
        failure, what = carried.failure, f"the second vault of {name or machine}"
        if kind is Kind.FAULT:
            self._journal.fault(f"the loop of {what} broke: {failure.message}", error, machine=machine)
        elif failure.message != before or carried.failures in (10, 100):
            severity: Severity = "warning" if kind is Kind.PASSES else "error"
            data = {"code": failure.code, "hint": failure.hint, "failures": carried.failures, "url": self.url}
            self._journal.tell("second.failed", severity, f"{what} is not brought on: {failure.message}", machine=machine, data=data)

    def _well(self, machine: str, carried: Carried, name: str) -> None:
        if carried.failures:
            message = f"the second vault of {name} is brought on again after {count(carried.failures, 'failure')}"
            self._journal.tell("second.recovered", "info", message, machine=machine, data={"url": self.url})
        carried.failure, carried.kind, carried.failures, carried.again = None, None, 0, 0.0


async def _must_answer(vault: Vault, failure: StoreUnavailable) -> None:
    """`VaultAway` if it was the vault that this came from, for all that can be told now."""
    try:
        found = await vault.store.head(names.DESCRIPTOR)
    except StoreUnavailable:
        found = None
    if found is None:
        raise VaultAway(failure.message, hint=failure.hint) from failure
