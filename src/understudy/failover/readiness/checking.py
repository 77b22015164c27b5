"""Looking at everything that a failover to this site needs, without beginning one. Changes nothing."""

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from nacl.public import PrivateKey

from understudy.engine import Standby
from understudy.errors import InvalidRequest, NotFound, StateFailed
from understudy.failover.networks.bridge_helper import helper_here
from understudy.failover.networks.links import look, network_findings
from understudy.failover.networks.mapping import Mapped, NetworkMapping, plan_networks
from understudy.failover.readiness.facts import Facts, KeySeen, Space
from understudy.failover.readiness.judge import judge
from understudy.failover.readiness.probe import probed
from understudy.hypervisor.protocol import Finding, Host, Hypervisor
from understudy.local.defining import started_from
from understudy.local.site import Site
from understudy.local.standby.file import read_standby
from understudy.local.standby.views import shown_standby
from understudy.machine.definition import MachineDefinition
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault

_ELSEWHERE = ("networks", "disks")
"""What the hypervisor also looks at, and is told here of another way: networks in more detail, disks since there are none yet."""


@dataclass(frozen=True, slots=True)
class Means:
    """`replicas`: where what guests write here is kept. `directory`: the vault's, where it is one of this host."""

    hypervisor: Hypervisor
    site: Site
    replicas: Path
    directory: Path | None


async def check(vault: Vault, log: MachineLog, mapping: NetworkMapping, means: Means) -> tuple[Finding, ...]:
    """Could the machine be started here from its newest point? Everything that was looked at, well or not."""
    probe = await probed(vault.store, vault.id, log.machine_id, means.site.name, means.directory)
    space = await asyncio.to_thread(_space, means.replicas)
    standby = await asyncio.to_thread(_standby, vault.id, log.state, means.site)
    facts = Facts(time.time_ns(), means.site.name, log.state, key_of(vault), probe, space, standby)
    return (*await _machine(vault, log, mapping, means), *judge(facts))


async def links_examined(mapped: Mapped, *, runs_here: bool) -> list[Finding]:
    """What this host has of the networks that the machine is to be joined to. `runs_here`: it may use them itself."""
    helper = await asyncio.to_thread(helper_here)
    macs = {nic.name: nic.mac for nic in mapped.definition.nics}
    return network_findings(mapped.networks, macs, await look(mapped.networks, helper), mapped.machine, runs_here=runs_here)


async def definition_of(vault: Vault, log: MachineLog) -> MachineDefinition:
    """What it is started from at its newest point. `NotFound` without any, `InvalidRequest` if that does not suffice."""
    if log.state.newest is None:
        raise NotFound(f"machine {log.state.name!r} has no point yet", hint="replicate it first")
    return (await started_from(vault, log, log.state.newest))[0]


def key_of(vault: Vault) -> KeySeen:
    access, identity = vault.access, vault.identity
    private = access.recovery_private.get(access.recovery_generation)
    opens = private is not None and bytes(PrivateKey(private).public_key) == access.recovery_public
    return KeySeen(identity.role, identity.name, opens)


async def _machine(vault: Vault, log: MachineLog, mapping: NetworkMapping, means: Means) -> list[Finding]:
    try:
        definition = await definition_of(vault, log)
    except (NotFound, InvalidRequest) as error:
        return [Finding("definition", "fail", error.message, error.hint)]
    mapped = plan_networks(definition, mapping, "failover")
    bare = msgspec.structs.replace(mapped.definition, disks=())
    found = [finding for finding in await means.hypervisor.check(bare, Host({})) if finding.what not in _ELSEWHERE]
    return [*found, *mapped.findings, *await links_examined(mapped, runs_here=log.state.site == means.site.name)]


def _standby(vault_id: str, state: MachineState, site: Site) -> Standby | StateFailed | None:
    try:
        found = read_standby(site.directory(vault_id, state.id))
        return shown_standby(found, vault_id, state) if found is not None else None
    except StateFailed as error:
        return error


def _space(path: Path) -> Space | None:
    """Of the file system that it is on, or will be."""
    there = next((parent for parent in (path, *path.parents) if parent.exists()), path)
    try:
        told = os.statvfs(there)
    except OSError:
        return None
    return Space(path, told.f_bavail * told.f_frsize)
