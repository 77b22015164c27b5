"""One second vault's copies are verified now and then, as their machines' policies say, and healed from the vault where they can be."""

import asyncio
import time
from collections.abc import Mapping
from typing import Protocol

from understudy.engine.units import count
from understudy.errors import UnderstudyError
from understudy.jobs.journal import Journal
from understudy.local.second_proof import Proof, Proven, load_proof, proof_file, proven_copy
from understudy.local.site import Site
from understudy.scheduler.upkeep import VERIFY_TRY
from understudy.store.protocol import ObjectStore
from understudy.vault.copy.place import must_be_copy
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault


class Copies(Protocol):
    """What a prover needs of the engine."""

    @property
    def site(self) -> Site: ...

    async def watched(self, machine: str) -> tuple[Vault, MachineLog]: ...

    async def copy_of(self, store: ObjectStore) -> Vault:
        """What is in the store, opened for reading."""
        ...


class SecondProver:
    def __init__(self, url: str, engine: Copies, journal: Journal) -> None:
        self._url = url
        self._engine = engine
        self._journal = journal
        self._proofs: dict[str, Proof] = {}
        self._since: dict[str, float] = {}
        self._again: dict[str, float] = {}
        """When it may be tried again."""

    def proof(self, machine: str) -> Proof | None:
        """None: not known yet."""
        return self._proofs.get(machine)

    def age(self, machine: str) -> float | None:
        """Seconds since it was verified; if it never was, since it is looked after here. None: not known yet."""
        proof = self._proofs.get(machine)
        if proof is None:
            return None
        return (time.time_ns() - proof.at) / 1e9 if proof.at else time.monotonic() - self._since[machine]

    async def run(self, store: ObjectStore, machines: Mapping[str, float]) -> None:
        """Those that are due, one after the other. `machines`: seconds after which each is, by id; 0: never. Failures are told."""
        for machine, every in machines.items():
            self._since.setdefault(machine, time.monotonic())
            try:
                await self._run(store, machine, every)
            except UnderstudyError as error:
                message = f"the copy of {machine} in its second vault cannot be verified: {error.message}"
                self._journal.tell("second.unverified", "warning", message, machine=machine, data={"hint": error.hint, "url": self._url})
            except Exception as error:
                self._journal.fault(f"verifying the second vault of {machine} broke: {error}", error, machine=machine)

    async def _run(self, store: ObjectStore, machine: str, every: float) -> None:
        now = time.monotonic()
        if now < self._again.get(machine, 0.0):
            return
        before = self._proofs.get(machine)
        if before is not None and not is_due(before, every, time.time_ns()):
            return
        self._again[machine] = now + min(VERIFY_TRY, every or VERIFY_TRY)
        vault, log = await self._engine.watched(machine)
        if before is None:
            copy = (await must_be_copy(vault, store)).id.hex()
            before = await asyncio.to_thread(load_proof, proof_file(self._engine.site, vault.id, machine, copy))
            self._proofs[machine] = before
        if is_due(before, every, time.time_ns()):
            done = await proven_copy(vault, log, store, self._engine.copy_of, self._engine.site)
            self._proofs[machine] = done.proof
            self._tell(machine, log.state.name, before, done)
        else:
            del self._again[machine]

    def _tell(self, machine: str, name: str, before: Proof, done: Proven) -> None:
        data = {"url": self._url, "objects": done.proof.objects, "bytes": done.proof.bytes}
        if done.healed:
            message = f"{count(done.healed, 'object')} of {name} in its second vault were damaged or missing, and were copied there again"
            self._journal.tell("second.healed", "warning", message, machine=machine, data=data)
        if done.proof.damage and done.proof.damage != before.damage:
            message = f"the copy of {name} in its second vault is damaged: {done.proof.damage}"
            self._journal.tell("second.damaged", "error", message, machine=machine, data=data)


def is_due(before: Proof, every: float, now: int) -> bool:
    """What is damaged is looked at again sooner: somebody may have mended it. Also where the clock says that it will be. Pure."""
    seconds = min(VERIFY_TRY, every) if before.damage else every
    return bool(every) and not 0 <= (now - before.at) / 1e9 < seconds
