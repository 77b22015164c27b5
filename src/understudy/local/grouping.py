"""Consistency groups of this host: which machines they have, and replicating them as one."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from understudy import engine
from understudy.engine.units import count
from understudy.errors import Conflict, InvalidRequest, NotFound, UnderstudyError
from understudy.local.claims import must_be_ours
from understudy.local.following import source_here
from understudy.local.group_file import GroupFile, groups_directory, read_groups, remove_group, write_group
from understudy.local.here import machines_here
from understudy.local.parts import Parts
from understudy.local.replicating import Opened, cycle_of, followed_up, replication
from understudy.local.site import Site
from understudy.replication.group import GroupReplicator, named
from understudy.vault.vault import Vault

LARGEST = 64
"""Machines of a group, whose ids travel in each point's record."""


async def groups_here(vault: Vault, site: Site) -> tuple[engine.Group, ...]:
    known = await asyncio.to_thread(read_groups, groups_directory(site.state, vault.id))
    names = await vault.names({machine for group in known.values() for machine in group.machines})
    return tuple(_group(name, {machine: names[machine] or machine for machine in group.machines}) for name, group in known.items())


async def group_made(vault: Vault, site: Site, request: engine.CreateGroup) -> engine.Group:
    """Every machine must be one that this host follows. Said again for the same machines it changes nothing."""
    engine.checked_name("group", request.name)
    followed = await vault.names(await asyncio.to_thread(machines_here, vault.id, site))
    found: dict[str, str] = {}
    for wanted in request.machines:
        named = [machine for machine, name in followed.items() if name == wanted]
        # By its id nobody else's log is looked at. What is not followed here is sought in the vault, to say what is wrong with it.
        log = await vault.find(named[0] if len(named) == 1 else wanted)
        must_be_ours(vault.id, log.state, site)
        source_here(site.directory(vault.id, log.machine_id), log.state)
        found[log.machine_id] = log.state.name
    if not 2 <= len(found) <= LARGEST:
        raise InvalidRequest(f"a group of {count(len(found), 'machine')} makes no sense", hint=f"name 2 to {LARGEST} different machines")
    directory = groups_directory(site.state, vault.id)
    group = GroupFile(machines=tuple(sorted(found)))
    before = (await asyncio.to_thread(read_groups, directory)).get(request.name)
    if before is not None and before != group:
        raise Conflict(
            f"there is a group {request.name!r} of other machines", hint=f"first: understudy group remove {request.name}; its points stay"
        )
    await asyncio.to_thread(write_group, directory, request.name, group)
    return _group(request.name, found)


async def group_removed(vault: Vault, site: Site, name: str) -> engine.Group:
    group = next((group for group in await groups_here(vault, site) if group.name == name), None)
    if group is None:
        raise _unknown(name)
    await asyncio.to_thread(remove_group, groups_directory(site.state, vault.id), name)
    return group


@asynccontextmanager
async def group_replication(vault: Vault, parts: Parts, site: Site, name: str) -> AsyncIterator[engine.GroupReplication]:
    """Own all members until the context is left."""
    group = (await asyncio.to_thread(read_groups, groups_directory(site.state, vault.id))).get(name)
    if group is None:
        raise _unknown(name)
    async with AsyncExitStack() as stack:
        members: dict[str, Opened] = {}
        for machine in group.machines:
            log = await vault.find(machine)
            members[log.state.name] = await stack.enter_async_context(replication(vault, log, parts, site))
        yield _OpenedGroup(name, members)


class _OpenedGroup:
    """Opens its members' replicators in its first cycle, as each would by itself."""

    def __init__(self, name: str, members: Mapping[str, Opened]) -> None:
        self._name = name
        self._members = members
        self._group = GroupReplicator(name, {machine: opened.replicator for machine, opened in members.items()})

    async def cycle(self, progress: engine.OnProgress, app_consistent: bool = False) -> engine.GroupCycle:
        began = time.monotonic()
        for machine, opened in self._members.items():
            try:
                await opened.ready(progress)
            except UnderstudyError as error:
                raise named(error, machine) from error
        report = await self._group.cycle(partial(followed_up, progress), app_consistent)
        cycles = tuple(cycle_of(machine, part) for machine, part in sorted(report.members.items()))
        return engine.GroupCycle(
            group=self._name,
            instant=report.id,
            members=cycles,
            paused_seconds=max(cycle.paused_seconds for cycle in cycles),
            seconds=time.monotonic() - began,
        )


def _group(name: str, machines: Mapping[str, str]) -> engine.Group:
    members = sorted(machines.items(), key=lambda member: member[1])
    return engine.Group(name=name, members=tuple(engine.GroupMember(machine=machine, name=known) for machine, known in members))


def _unknown(name: str) -> NotFound:
    return NotFound(f"this host has no group {name!r}", hint="`understudy group list` shows them; groups are each host's own")
