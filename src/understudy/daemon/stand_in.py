"""Machines that run elsewhere and could be started on this site: what would become of them here."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from understudy.config.values import Config
from understudy.daemon.served import ServedEngine
from understudy.engine import Look, MachineNetworks, ShownNetworks, StartKind, checked_networks
from understudy.errors import InvalidRequest, NotFound
from understudy.failover.networks.bridge_helper import helper_here
from understudy.failover.networks.links import look, network_findings
from understudy.failover.networks.mapping import Mapped, NetworkMapping, plan_networks
from understudy.failover.networks.showing import shown_networks
from understudy.hypervisor.protocol import Finding
from understudy.jobs.journal import Journal
from understudy.local.defining import started_from
from understudy.local.network_file import read_networks, write_networks
from understudy.machine.definition import MachineDefinition
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class StandIn:
    """`config`: as it is now."""

    engine: ServedEngine
    journal: Journal
    config: Callable[[], Config]

    async def mapping(self, vault: Vault, log: MachineLog) -> NetworkMapping:
        """What holds for the machine here. `StateFailed` if what was set for it cannot be read."""
        own = await asyncio.to_thread(read_networks, self.engine.site.directory(vault.id, log.machine_id))
        return NetworkMapping(self.config().networks, own or MachineNetworks(), log.state.site)

    async def networks(self, machine: str) -> ShownNetworks:
        vault, log = await self.engine.log_of(machine)
        mapping = await self.mapping(vault, log)
        try:
            definition = await definition_of(vault, log)
        except (NotFound, InvalidRequest) as error:
            unknown = Look(what="definition", verdict="fail", words=error.message, hint=error.hint)
            nothing = MachineDefinition(name=log.state.name or log.machine_id, uuid="0" * 8 + "-0000" * 3 + "-" + "0" * 12, memory=1 << 20)
            shown = shown_networks(nothing, mapping, (), (), log.state.name)
            return msgspec.structs.replace(shown, findings=(unknown,), test_findings=(unknown,))
        failover, test = [await self._findings(definition, mapping, kind) for kind in ("failover", "test")]
        return shown_networks(definition, mapping, failover, test, log.state.name)

    async def set_networks(self, machine: str, own: MachineNetworks | None, actor: str) -> ShownNetworks:
        vault, log = await self.engine.log_of(machine)
        if own is not None:
            checked_networks(own)
        await asyncio.to_thread(write_networks, self.engine.site.directory(vault.id, log.machine_id), own)
        words = "was taken back" if own is None else "was set"
        data = {} if own is None else msgspec.to_builtins(own)
        message = f"what {log.state.name} is joined to here {words}"
        self.journal.tell("networks.set", "info", message, machine=log.machine_id, actor=actor, data=data)
        return await self.networks(log.machine_id)

    async def _findings(self, definition: MachineDefinition, mapping: NetworkMapping, kind: StartKind) -> list[Finding]:
        mapped = plan_networks(definition, mapping, kind)
        return [*mapped.findings, *await links_examined(mapped, runs_here=mapping.site == self.config().site)]


async def definition_of(vault: Vault, log: MachineLog) -> MachineDefinition:
    """What it is started from at its newest point. `NotFound` without any, `InvalidRequest` if that does not suffice."""
    if log.state.newest is None:
        raise NotFound(f"machine {log.state.name!r} has no point yet", hint="replicate it first")
    return (await started_from(vault, log, log.state.newest))[0]


async def links_examined(mapped: Mapped, *, runs_here: bool) -> list[Finding]:
    """What this host has of the networks that the machine is to be joined to. `runs_here`: its addresses may be taken, by itself."""
    helper = await asyncio.to_thread(helper_here)
    macs = {} if runs_here else {nic.name: nic.mac for nic in mapped.definition.nics}
    return network_findings(mapped.networks, macs, await look(mapped.networks, helper))
