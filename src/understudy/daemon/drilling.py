"""Test failovers as the API asks for them: which there are, what was seen, and how a copy is known to be well."""

import asyncio
from dataclasses import dataclass

import msgspec

from understudy.daemon.served import ServedEngine
from understudy.engine import Check, Checks, Drill, Evidence, checked_checks
from understudy.errors import InvalidRequest, NotFound
from understudy.failover.drill.files import CONSOLE, PICTURE, DrillFiles
from understudy.failover.drill.operation import Drills
from understudy.failover.health.checking import default_checks
from understudy.failover.readiness.checking import definition_of
from understudy.jobs.journal import Journal
from understudy.local.check_file import read_checks, write_checks


@dataclass(frozen=True, slots=True)
class Drilling:
    """`drills` does the work, `files` says what it did."""

    engine: ServedEngine
    journal: Journal
    files: DrillFiles
    drills: Drills

    async def checks(self, machine: str) -> Checks:
        vault, log = await self.engine.log_of(machine)
        given = await asyncio.to_thread(read_checks, self.engine.site.directory(vault.id, log.machine_id))
        if given is not None:
            return Checks(machine=log.state.name, given=True, checks=given)
        try:
            checks = default_checks(await definition_of(vault, log))
        except (NotFound, InvalidRequest):
            # Nothing of it could be started yet.
            checks = ()
        return Checks(machine=log.state.name, given=False, checks=checks)

    async def set_checks(self, machine: str, checks: tuple[Check, ...] | None, actor: str) -> Checks:
        vault, log = await self.engine.log_of(machine)
        if checks is not None:
            checked_checks(checks)
        await asyncio.to_thread(write_checks, self.engine.site.directory(vault.id, log.machine_id), checks)
        words = "follow from what it is" if checks is None else "were set"
        data = {"checks": None if checks is None else msgspec.to_builtins(checks)}
        message = f"the checks of {log.state.name} {words}"
        self.journal.tell("checks.set", "info", message, machine=log.machine_id, actor=actor, data=data)
        return await self.checks(log.machine_id)

    async def all(self, machine: str | None) -> tuple[Drill, ...]:
        found = await asyncio.to_thread(self.files.all)
        return tuple(kept.drill for kept in reversed(found) if machine in (None, kept.drill.machine, kept.drill.machine_id))

    async def one(self, drill: str) -> Drill:
        return (await asyncio.to_thread(self.files.find, drill)).drill

    async def evidence(self, drill: str) -> Evidence:
        found = await self.one(drill)
        picture, console = [await asyncio.to_thread(self.files.get, found.id, name) for name in (PICTURE, CONSOLE)]
        return Evidence(kind=found.picture, picture=picture, console=console.decode(errors="replace"))
