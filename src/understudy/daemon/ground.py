"""What a test failover asks of this site."""

import asyncio
from dataclasses import dataclass

from understudy.daemon.lending import Lending
from understudy.daemon.served import ServedEngine
from understudy.daemon.stand_in import StandIn
from understudy.engine import Check
from understudy.failover.networks.mapping import NetworkMapping
from understudy.local.check_file import read_checks
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class SiteGround:
    """Implements `failover.drill.operation.Ground`."""

    engine: ServedEngine
    stand_in: StandIn
    lending: Lending

    @property
    def name(self) -> str:
        return self.engine.site.name

    async def log_of(self, machine: str) -> tuple[Vault, MachineLog]:
        return await self.engine.log_to_append(machine)

    async def mapping(self, vault: Vault, log: MachineLog, entry: PointEntry) -> NetworkMapping:
        return await self.stand_in.mapping(vault, log, entry)

    async def checks(self, vault: Vault, log: MachineLog) -> tuple[Check, ...] | None:
        return await asyncio.to_thread(read_checks, self.engine.site.directory(vault.id, log.machine_id))

    async def processed(self, vault: Vault, log: MachineLog) -> PointEntry:
        async with self.lending.still(log):
            return await self.lending.processed(vault, log)

    async def tell(self, machine: str) -> None:
        await self.engine.scheduled.renew(machine)
