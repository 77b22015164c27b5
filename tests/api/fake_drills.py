"""The fake service's part of test failovers."""

import base64
from abc import abstractmethod
from dataclasses import dataclass, field

from understudy.engine import (
    AgentCheck,
    Check,
    Checked,
    Checks,
    Drill,
    DrillStep,
    Evidence,
    Failure,
    MachineStatus,
)
from understudy.errors import NotFound

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAIAAADwyuo0AAAAGElEQVR42mPQsGHQsLHXsKnXsNnPgMwBAEY7BhtinpqIAAAAAElFTkSuQmCC")
"""Four pixels by two."""
DRILL = Drill(
    id="d" * 32,
    machine="web",
    machine_id=f"{sum(b'web'):02x}".rjust(32, "1"),
    point="2" * 32,
    number=7,
    frozen_at=1_700_000_000_000_000_000,
    consistency="app",
    site="host-b",
    network="isolated",
    state="standing",
    asked_at=1_700_000_100_000_000_000,
    outcome="failed",
    running_after=1.25,
    steps=(DrillStep(what="its disks are there", seconds=0.75), DrillStep(what="its guest runs", seconds=1.25)),
    checks=(
        Checked(what="agent", outcome="passed", seconds=12.5, words="the guest's agent answers"),
        Checked(what="tcp 443", outcome="failed", seconds=300.0, words="not within 300 s: the guest refuses connections at this port"),
    ),
    findings=("net0: br0 is mapped to no test network: isolated",),
    forwards=((40443, 443),),
    definition='name = "web"\n',
    picture="png",
    note="before the audit",
)
NEVER = Drill(
    id="e" * 32,
    machine="db",
    machine_id=f"{sum(b'db'):02x}".rjust(32, "1"),
    point="3" * 32,
    number=9,
    frozen_at=1_700_000_000_000_000_000,
    consistency="crash",
    site="host-b",
    network="mapped",
    state="cleaned",
    asked_at=1_700_000_000_000_000_000,
    outcome="failed",
    failure=Failure(code="target_failed", message="QEMU did not start", hint="see its log"),
)


@dataclass
class FakeDrills:
    checks_set: dict[str, tuple[Check, ...]] = field(default_factory=dict)
    drills_now: tuple[Drill, ...] = (DRILL, NEVER)

    @abstractmethod
    async def status(self, machine: str) -> MachineStatus: ...

    async def checks(self, machine: str) -> Checks:
        name = (await self.status(machine)).name
        return Checks(machine=name, given=name in self.checks_set, checks=self.checks_set.get(name, (AgentCheck(),)))

    async def set_checks(self, machine: str, checks: tuple[Check, ...] | None, actor: str) -> Checks:
        name = (await self.status(machine)).name
        if checks is None:
            self.checks_set.pop(name, None)
        else:
            self.checks_set[name] = checks
        return await self.checks(machine)

    async def drills(self, machine: str | None) -> tuple[Drill, ...]:
        return tuple(drill for drill in self.drills_now if machine in (None, drill.machine))

    async def drill(self, drill: str) -> Drill:
        for found in self.drills_now:
            if found.id.startswith(drill):
                return found
        raise NotFound(f"this host knows no test {drill!r}")

    async def evidence(self, drill: str) -> Evidence:
        found = await self.drill(drill)
        if found is not DRILL:
            return Evidence(kind="", picture=b"", console="")
        return Evidence(kind="png", picture=PNG, console="booting\r\nweb login: \x1b[2J\n")
