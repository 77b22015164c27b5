"""The fake service's part of a site that could start another site's machines."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import msgspec

from understudy.engine import (
    Authority,
    FailoverEntry,
    Look,
    MachineNetworks,
    MachineStatus,
    MappedNic,
    Readiness,
    ShownNetworks,
    Verdict,
)


@dataclass
class FakeStandIn:
    networks_set: dict[str, MachineNetworks] = field(default_factory=dict)
    verdict: Verdict = "warn"
    isolation: int = 0
    standing: dict[str, Any] = field(default_factory=dict)
    """How the authority differs from a failover that was not committed yet."""
    dropped: list[tuple[str, str, str]] = field(default_factory=list)
    isolated: list[tuple[str, int, str]] = field(default_factory=list)

    @abstractmethod
    async def status(self, machine: str) -> MachineStatus: ...

    async def authority(self, machine: str) -> Authority:
        found = await self.status(machine)
        entry = FailoverEntry(epoch=2, site="host-b", before="host-a", point="ab" * 16, mode="planned", reason="", at=1, committed_at=0)
        plain = Authority(
            machine=found.name,
            id=found.id,
            phase="failed_over",
            epoch=2,
            site="host-b",
            primary=True,
            newest=7,
            allowed=("test", "change-point", "cancel", "commit"),
            isolation_seconds=self.isolation,
            failover=entry,
        )
        return msgspec.structs.replace(plain, **self.standing)

    async def drop_run(self, machine: str, run: str, actor: str) -> Authority:
        self.dropped.append((machine, run, actor))
        return await self.authority(machine)

    async def set_isolation(self, machine: str, seconds: int, actor: str) -> Authority:
        self.isolation = seconds
        self.isolated.append((machine, seconds, actor))
        return await self.authority(machine)

    async def networks(self, machine: str) -> ShownNetworks:
        found = await self.status(machine)
        own = self.networks_set.get(found.name, MachineNetworks())
        nic = MappedNic(nic="net0", source="br0", network="bridge:br1", mac="52:54:00:00:00:01", addresses=("10.0.0.5/24",))
        unmapped = MappedNic(nic="net1", source="dmz", network="", mac="52:54:00:00:00:02")
        fails = Look(what="networks", verdict="fail", words="net1: nothing says what stands for dmz here", hint="say it")
        return ShownNetworks(
            machine=found.name, site="host-b", own=own, failover=(nic, unmapped), test=(), findings=(fails,), test_findings=()
        )

    async def set_networks(self, machine: str, own: MachineNetworks | None, actor: str) -> ShownNetworks:
        found = await self.status(machine)
        if own is None:
            self.networks_set.pop(found.name, None)
        else:
            self.networks_set[found.name] = own
        return await self.networks(machine)

    async def check(self, machine: str, actor: str) -> Readiness:
        return await self.readiness(machine)

    async def readiness(self, machine: str) -> Readiness:
        found = await self.status(machine)
        items = (
            Look(what="vault", verdict="pass", words="it can be read and written"),
            Look(what="drill", verdict=self.verdict, words="it was never started here for a test", hint="start one"),
        )
        return Readiness(machine=found.name, id=found.id, site="host-b", at=found.computed_at, verdict=self.verdict, items=items)
