"""Watching how much a machine of this host changes."""

import asyncio

import msgspec

from understudy.engine import OnProgress, QemuSource
from understudy.engine.profiling import Profile, Profiled, checked_profile
from understudy.errors import Unsupported
from understudy.local.following import source_here
from understudy.local.parts import Parts
from understudy.local.site import Site
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.vault import Vault


async def profiled(vault: Vault, log: MachineLog, parts: Parts, site: Site, request: Profile, progress: OnProgress) -> Profiled:
    """Its replication may go on meanwhile; nothing is asked of the vault."""
    checked_profile(request)
    source = await asyncio.to_thread(source_here, site.directory(vault.id, log.machine_id), log.state)
    if not isinstance(source, QemuSource):
        raise Unsupported(
            f"nothing counts the changes of {log.state.name!r}: it is read from files or devices",
            hint="with --no-watch its points say what it needs",
        )
    named = msgspec.structs.replace(request, machine=log.state.name)
    return await parts.profiled(source, named, progress, log.machine_id)
