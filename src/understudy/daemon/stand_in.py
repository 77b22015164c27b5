"""Machines that run elsewhere and could be started on this site: what would become of them here."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from understudy.config.values import Config
from understudy.daemon.served import ServedEngine
from understudy.engine import Look, MachineNetworks, Readiness, Severity, ShownNetworks, StartKind, Verdict, checked_networks
from understudy.errors import InvalidRequest, NotFound
from understudy.failover.networks.links import places_here
from understudy.failover.networks.mapping import NetworkMapping, plan_networks
from understudy.failover.networks.showing import looks, shown_networks
from understudy.failover.readiness.checking import Means, check, definition_of, links_examined
from understudy.failover.readiness.judge import worst
from understudy.failover.readiness.record import read_readiness, write_readiness
from understudy.hypervisor.protocol import Finding, Hypervisor
from understudy.jobs.journal import Journal
from understudy.local.network_file import read_networks, write_networks
from understudy.machine.definition import MachineDefinition
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

_COULD: dict[Verdict, str] = {
    "pass": "could be started here",
    "warn": "could be started here, with reservations",
    "fail": "could not be started here",
}
_SEVERITY: dict[Verdict, Severity] = {"pass": "info", "warn": "info", "fail": "warning"}


@dataclass(frozen=True, slots=True)
class StandIn:
    """`config`: as it is now. `hypervisor`: this site's. `checked`: what was found last, by machine; `stale`: machines of which that is not
    so any more, since something was set; `changed`: there are such."""

    engine: ServedEngine
    journal: Journal
    config: Callable[[], Config]
    hypervisor: Hypervisor
    checked: dict[str, Readiness] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def mapping(self, vault: Vault, log: MachineLog, entry: PointEntry | None) -> NetworkMapping:
        """What holds here for the machine as of a point, whose networks are those of the site that made it, wherever the machine is now.
        `StateFailed` if what was set for it cannot be read."""
        own = await asyncio.to_thread(read_networks, self.engine.site.directory(vault.id, log.machine_id))
        places = await asyncio.to_thread(places_here)
        site = log.state.site if entry is None else log.state.made_at(entry)
        return NetworkMapping(self.config().networks, own or MachineNetworks(), site, log.state.name, places)

    async def networks(self, machine: str) -> ShownNetworks:
        vault, log = await self.engine.log_of(machine)
        mapping = await self.mapping(vault, log, log.state.newest)
        try:
            definition = await definition_of(vault, log)
        except (NotFound, InvalidRequest) as error:
            unknown = Look(what="definition", verdict="fail", words=error.message, hint=error.hint)
            nothing = MachineDefinition(name=log.state.name or log.machine_id, uuid="0" * 8 + "-0000" * 3 + "-" + "0" * 12, memory=1 << 20)
            shown = shown_networks(nothing, mapping, (), (), log.state.name)
            return msgspec.structs.replace(shown, findings=(unknown,), test_findings=(unknown,))
        failover, test = [await self._findings(log, definition, mapping, kind) for kind in ("failover", "test")]
        return msgspec.structs.replace(shown_networks(definition, mapping, failover, test, log.state.name), site=log.state.site)

    async def set_networks(self, machine: str, own: MachineNetworks | None, actor: str) -> ShownNetworks:
        vault, log = await self.engine.log_of(machine)
        if own is not None:
            checked_networks(own)
        await asyncio.to_thread(write_networks, self.engine.site.directory(vault.id, log.machine_id), own)
        self.stale.add(log.machine_id)
        self.changed.set()
        words = "was taken back" if own is None else "was set"
        data = {} if own is None else msgspec.to_builtins(own)
        message = f"what {log.state.name} is joined to here {words}"
        self.journal.tell("networks.set", "info", message, machine=log.machine_id, actor=actor, data=data)
        return await self.networks(log.machine_id)

    async def check(self, machine: str, actor: str = "") -> Readiness:
        """One at a time: a probe of the vault is this site's."""
        async with self._turn:
            vault, log = await self.engine.log_of(machine)
            self.stale.discard(log.machine_id)
            site = self.engine.site
            means = Means(self.hypervisor, site, site.state / "replicas", self.engine.vault_directory)
            items = looks(await check(vault, log, await self.mapping(vault, log, log.state.newest), means))
            state = log.state
            found = Readiness(machine=state.name, id=log.machine_id, site=state.site, at=time.time_ns(), verdict=worst(items), items=items)
            before = self.checked.get(found.id)
            self.checked[found.id] = found
            await asyncio.to_thread(write_readiness, self.engine.site.directory(vault.id, log.machine_id), found)
        if before is None or before.verdict != found.verdict or actor:
            self._told(found, actor)
        return found

    async def readiness(self, machine: str) -> Readiness:
        found = self.checked.get(await self.engine.id_of(machine)) or await self.remembered(await self.engine.id_of(machine))
        if found is None:
            raise NotFound(f"it was never looked whether {machine!r} could be started here", hint=f"understudy check {machine}")
        return found

    async def remembered(self, machine: str) -> Readiness | None:
        """By its id: what an earlier daemon found, too."""
        if machine not in self.checked:
            directory = self.engine.site.directory(await self.engine.vault_id(), machine)
            if (found := await asyncio.to_thread(read_readiness, directory)) is not None:
                self.checked[machine] = found
        return self.checked.get(machine)

    def _told(self, found: Readiness, actor: str) -> None:
        why = "; ".join(f"{item.what}: {item.words}" for item in found.items if item.verdict == found.verdict != "pass")
        message = f"{found.machine} {_COULD[found.verdict]}{f': {why}' if why else ''}"
        verdicts = {what: worst([item for item in found.items if item.what == what]) for what in {item.what for item in found.items}}
        data = {what: verdict for what, verdict in verdicts.items() if verdict != "pass"}
        self.journal.tell("machine.readiness", _SEVERITY[found.verdict], message, machine=found.id, actor=actor, data=data)

    async def _findings(self, log: MachineLog, definition: MachineDefinition, mapping: NetworkMapping, kind: StartKind) -> list[Finding]:
        mapped = plan_networks(definition, mapping, kind)
        return [*mapped.findings, *await links_examined(mapped, runs_here=log.state.site == self.engine.site.name)]
