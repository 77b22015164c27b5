"""Starting a copy of a point, looking at it, and removing it: each step said again does nothing twice."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from understudy import engine
from understudy.engine import Check, CleanUpDrill, Drill, DrillStep, Failure, OnProgress, Progress, StartDrill
from understudy.engine.drills import LATEST, LATEST_PROCESSED, checked_drill
from understudy.errors import Conflict, NotFound, UnderstudyError
from understudy.failover.drill.choosing import body_of, chosen
from understudy.failover.drill.evidence import taken
from understudy.failover.drill.files import DrillFiles, Kept
from understudy.failover.drill.planning import forwards_of, free_port, namespace_of, planned
from understudy.failover.health.checking import default_checks, examined
from understudy.failover.health.subject import Subject
from understudy.failover.networks.guest import give_addresses
from understudy.failover.networks.mapping import NetworkMapping
from understudy.failover.networks.seed import write_seed
from understudy.hypervisor.protocol import Accelerator, Hypervisor, Status
from understudy.local.defining import started_from
from understudy.local.recovery_key import must_hold_the_recovery_key
from understudy.machine.reading import to_toml
from understudy.replica.replicas import Replicas
from understudy.replica.values import StartReplica
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault


class Ground(Protocol):
    """What this site knows of its machines."""

    @property
    def name(self) -> str:
        """The site's."""
        ...

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]:
        """By name or id; read to its end, and to be appended to."""
        ...

    async def mapping(self, vault: Vault, log: MachineLog, entry: PointEntry) -> NetworkMapping:
        """What the machine as of this point is joined to here."""
        ...

    async def checks(self, vault: Vault, log: MachineLog) -> tuple[Check, ...] | None:
        """What an operator said how it is known to be well; None: nobody said."""
        ...

    async def processed(self, vault: Vault, log: MachineLog) -> PointEntry:
        """The point that the standby image on this site holds, or is about to. `NotFound` without one."""
        ...

    async def tell(self, machine: str) -> None:
        """The machine's log (by its id) tells of one test more."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What runs machines here."""

    replicas: Replicas
    hypervisor: Hypervisor
    accelerator: Accelerator = "auto"


class Drills:
    """One at a time of each machine. A test that was begun stands, and holds its point, until it is cleaned up."""

    def __init__(self, files: DrillFiles, ground: Ground, tools: Tools) -> None:
        self._files = files
        self._ground = ground
        self._tools = tools
        self._at_work: dict[str, str] = {}

    async def start(self, request: StartDrill, id_: str, progress: OnProgress) -> Drill:
        """`id_` (32 hex digits) names it for good: said again, it goes on. `Conflict` if another one of the machine is not cleaned up.

        Whether it is well is its outcome; an error is raised if it could not be started.
        """
        kept = await asyncio.to_thread(self._files.read, id_)
        if kept is None:
            progress(Progress(phase="choose"))
            vault, log = await self._ground.log_of(request.machine)
            with self._working(log.machine_id, id_):
                kept = await self._decided(checked_drill(request), id_, vault, log)
        with self._working(kept.drill.machine_id, id_):
            if kept.drill.state == "starting":
                kept = await self._started(kept, progress)
            if kept.drill.state == "checking":
                kept = await self._examined(kept, progress)
            if kept.drill.state == "cleaning":
                kept = await self._cleaned(kept, progress)
        if kept.drill.failure is not None:
            failure = kept.drill.failure
            raise Conflict(f"{kept.drill.machine} did not start from point {kept.drill.number}: {failure.message}", hint=failure.hint)
        return kept.drill

    async def clean_up(self, request: CleanUpDrill, progress: OnProgress) -> Drill:
        """Nothing of it is left when this returns, but what was seen; and the machine's log tells of it, if it has an outcome."""
        kept = await self._meant(request)
        if kept.drill.state == "cleaned":
            return kept.drill
        with self._working(kept.drill.machine_id, kept.drill.id):
            said = {True: "passed", False: "failed", None: kept.drill.outcome}[request.passed]
            note = engine.checked_words("note", request.note) if request.note else kept.drill.note
            kept = await self._write(kept, state="cleaning", outcome=said, note=note)
            return (await self._cleaned(kept, progress)).drill

    async def _meant(self, request: CleanUpDrill) -> Kept:
        if request.drill:
            kept = await asyncio.to_thread(self._files.find, request.drill)
            if request.machine in (kept.drill.machine, kept.drill.machine_id):
                return kept
            raise NotFound(f"test {kept.drill.id} is of {kept.drill.machine}, not of {request.machine}", hint="`understudy drill list`")
        _, log = await self._ground.log_of(request.machine)
        found = await asyncio.to_thread(self._files.open, log.machine_id)
        if found is None:
            raise NotFound(f"no test of {request.machine} stands here", hint="`understudy drill list` shows those that are over")
        return found

    async def _decided(self, request: StartDrill, id_: str, vault: Vault, log: MachineLog) -> Kept:
        """Durable, before anything is begun."""
        must_hold_the_recovery_key(vault)
        if (other := await asyncio.to_thread(self._files.open, log.machine_id)) is not None:
            raise Conflict(
                f"test {other.drill.id} of {log.state.name} is not cleaned up: {other.drill.state}, point {other.drill.number}",
                hint=f"end it first: understudy drill cleanup {log.state.name}",
            )
        processing = request.point == LATEST_PROCESSED
        entry = chosen(log.state, LATEST if processing else request.point)
        if processing:
            entry = await self._ground.processed(vault, log)
        definition = (await started_from(vault, log, entry))[0]
        checks = request.checks if request.checks is not None else await self._ground.checks(vault, log)
        wanted = engine.checked_checks(default_checks(definition) if checks is None else checks, scripts=request.checks is None)
        setting = planned(definition, request.network, await self._ground.mapping(vault, log, entry), wanted, free_port)
        order = StartReplica(
            run=f"drill-{id_}",
            machine=log.machine_id,
            point=entry.point.id.hex(),
            definition=setting.definition,
            networks=dict(setting.networks),
            seed=str(self._files.seed(id_)) if setting.addresses else "",
            accelerator=self._tools.accelerator,
        )
        drill = Drill(
            id=id_,
            machine=log.state.name,
            machine_id=log.machine_id,
            point=order.point,
            number=entry.seq,
            frozen_at=entry.point.frozen_at,
            consistency=entry.point.consistency,
            site=self._ground.name,
            network=request.network,
            state="starting",
            asked_at=time.time_ns(),
            findings=(*definition.unknown, *setting.findings),
            forwards=tuple((here, guest) for guest, here in sorted(forwards_of(setting.networks).items())),
            definition=to_toml(setting.definition),
            note=request.note,
        )
        kept = Kept(
            drill=drill, order=order, checks=wanted, addresses=dict(setting.addresses), cleanup=request.cleanup, keep_for=request.keep_for
        )
        return await asyncio.to_thread(self._files.write, kept)

    async def _started(self, kept: Kept, progress: OnProgress) -> Kept:
        """Its guest runs, or there is the reason why it does not."""
        steps = list(kept.drill.steps)

        def heard(now: Progress) -> None:
            if now.phase == "start":
                steps.append(_step(kept.drill, "its disks are there"))
            progress(now)

        try:
            if kept.order.seed:
                await asyncio.to_thread(write_seed, Path(kept.order.seed), kept.order.definition.uuid, kept.addresses)
            state = await self._tools.replicas.start(kept.order, heard)
        except UnderstudyError as error:
            failure = Failure(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
            picture, missing = await taken(self._tools.hypervisor, kept.order.run, self._files, kept.drill.id)
            findings = (*kept.drill.findings, *missing)
            return await self._stands(kept, outcome="failed", steps=tuple(steps), failure=failure, picture=picture, findings=findings)
        ran = _step(kept.drill, "its guest runs" if state.vm.status is Status.RUNNING else f"its guest is {state.vm.status.value}")
        return await self._write(kept, state="checking", running_after=ran.seconds, steps=(*steps, ran))

    async def _examined(self, kept: Kept, progress: OnProgress) -> Kept:
        order = kept.order
        addresses = tuple(address.split("/")[0] for found in kept.addresses.values() for address in found.addresses)
        subject = Subject(
            hypervisor=self._tools.hypervisor,
            run=order.run,
            machine=order.machine,
            name=kept.drill.machine,
            point=order.point,
            forwards=forwards_of(order.networks),
            addresses=addresses,
            namespace=namespace_of(order.networks),
        )
        findings = list(kept.drill.findings)
        if kept.addresses:
            progress(Progress(phase="addresses"))
            told = await give_addresses(self._tools.hypervisor, order.run, kept.addresses, agent=order.definition.agent)
            findings += [f"{given.mac} {given.words}" for given in told]
        found = await examined(subject, kept.checks, lambda what: progress(Progress(phase=f"check: {what}")))
        steps = (*kept.drill.steps, _step(kept.drill, "it was looked at"))
        progress(Progress(phase="evidence"))
        picture, missing = await taken(self._tools.hypervisor, order.run, self._files, kept.drill.id)
        well = all(check.outcome == "passed" for check in found)
        return await self._stands(
            kept,
            outcome="passed" if well else "failed",
            checks=found,
            steps=steps,
            picture=picture,
            findings=(*findings, *missing),
        )

    async def _stands(self, kept: Kept, **fields: object) -> Kept:
        until = time.time_ns() + round(kept.keep_for * 1e9) if kept.keep_for else None
        return await self._write(kept, state="cleaning" if kept.cleanup else "standing", keep_until=until, **fields)

    async def _cleaned(self, kept: Kept, progress: OnProgress) -> Kept:
        """From "cleaning". The log tells of it only when nothing is left, and this host forgets that it must only when the log does."""
        if not kept.removed:
            progress(Progress(phase="remove"))
            await self._tools.replicas.remove(kept.order.run)
            kept = await asyncio.to_thread(self._files.write, msgspec.structs.replace(kept, removed=True))
        if kept.drill.outcome:
            progress(Progress(phase="record"))
            _, log = await self._ground.log_of(kept.drill.machine_id)
            body = body_of(kept.drill)
            if all(known.id != body.id for known in log.state.drills):
                await log.append(body)
            await self._ground.tell(kept.drill.machine_id)
        kept = await self._write(kept, state="cleaned", ended_at=time.time_ns(), keep_until=None)
        await asyncio.to_thread(self._files.thin, kept.drill.machine_id)
        return kept

    async def _write(self, kept: Kept, **fields: object) -> Kept:
        changed = msgspec.structs.replace(kept, drill=msgspec.structs.replace(kept.drill, **fields))
        return await asyncio.to_thread(self._files.write, changed)

    @contextmanager
    def _working(self, machine: str, id_: str) -> Iterator[None]:
        """Only one at a time works on a machine's test."""
        if machine in self._at_work:
            raise Conflict(
                f"test {self._at_work[machine]} of this machine is being worked on just now", hint="wait for that job, or cancel it"
            )
        self._at_work[machine] = id_
        try:
            yield
        finally:
            del self._at_work[machine]


def _step(drill: Drill, what: str) -> DrillStep:
    """By the wall clock: it may be another process that goes on."""
    return DrillStep(what=what, seconds=round(max(0.0, (time.time_ns() - drill.asked_at) / 1e9), 3))
