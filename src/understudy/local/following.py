"""Protecting and unprotecting: which machines this host follows, and how it reads them."""

import asyncio
import shutil
from functools import partial
from pathlib import Path

from understudy.engine import MachineSource, Protect
from understudy.errors import Conflict, NotFound, SourceUnavailable, StateFailed
from understudy.local.claims import begin_claims, expect_claim, is_ours, must_be_ours
from understudy.local.machine_file import followed, read_source, remove_source, write_source
from understudy.local.parts import Parts
from understudy.local.policy_file import remove_policy
from understudy.local.site import Site
from understudy.source.protocol import SourceInfo
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.vault import Vault

_REPLICATION_FILES = ("signatures", "journal", "intent")
_NO_MACHINE = "0" * 32


async def probed(parts: Parts, source: MachineSource, directory: Path) -> SourceInfo:
    """Look at a machine without changing anything in it. `NotFound` if a disk that shall be left out is not there: it may be misspelt."""
    opened = parts.open_source(source, _NO_MACHINE, "", directory)
    try:
        info = await opened.probe()
    finally:
        await opened.close()
    if info.absent:
        there = ", ".join(sorted([*(disk.name for disk in info.disks), *info.excluded]))
        raise NotFound(f"this VM has no disk {', '.join(map(repr, info.absent))}", hint=f"it has: {there}")
    return info


async def found_or_none(vault: Vault, name: str) -> MachineLog | None:
    try:
        return await vault.find(name)
    except NotFound:
        return None


async def follow_new(vault: Vault, request: Protect, site: Site) -> MachineLog:
    """Killed in between, the vault knows a machine that no host follows; the repetition takes it up."""
    log = await vault.protect(request.name, site.name)
    with site.own(vault.id, log) as directory:
        await asyncio.to_thread(begin_claims, vault.id, log, site)
        await asyncio.to_thread(write_source, directory, request.source)
    return log


async def follow_known(vault: Vault, log: MachineLog, request: Protect, site: Site) -> bool:
    """Renew how this host reads a machine that the vault knows; True if this host followed it already.

    Conflict if another site follows it, unless `adopt`: then this site claims its log, and the other one finds out.
    """
    others = not is_ours(vault.id, log.state, site)
    if not request.adopt:
        must_be_ours(vault.id, log.state, site)
    with site.own(vault.id, log) as directory:
        here = await asyncio.to_thread(followed, directory)
        await asyncio.to_thread(begin_claims, vault.id, log, site)
        await asyncio.to_thread(write_source, directory, request.source)
        if others:
            await asyncio.to_thread(partial(expect_claim, vault.id, log, site, adopt=True))
            await log.claim(site.name, adopt=True)
    return here and not others


def source_here(directory: Path, state: MachineState) -> MachineSource:
    """How this host reads the machine; NotFound if it does not follow it."""
    source = read_source(directory)
    if source is None:
        raise NotFound(f"machine {state.name!r} is not followed from this host", hint=f"to follow it: understudy protect {state.name} …")
    return source


async def unfollow(vault: Vault, log: MachineLog, parts: Parts, site: Site, *, forget: bool) -> None:
    """Leave no trace in the VM, then none on this host. Killed in between it may be repeated: our own file goes last.

    `Conflict` where the machine may be taken back to this site: whoever does that finds it by what is kept here.
    """
    entry, name = log.state.authority.failover, log.state.name
    if not forget and entry is not None and not entry.committed and entry.before == site.name:
        raise Conflict(
            f"the failover of {name!r} to site {entry.site!r} is not committed: cancelled, it goes on from here",
            hint=f"commit or cancel it there first; if its VM here is gone for good: understudy unprotect {name} --forget",
        )
    with site.own(vault.id, log) as directory:
        spec = source_here(directory, log.state)
        await log.settle()
        if not forget:
            source = parts.open_source(spec, log.machine_id, log.state.name, directory)
            try:
                await source.remove()
            except SourceUnavailable as error:
                hint = f"if this VM is gone for good: understudy unprotect {log.state.name} --forget"
                raise SourceUnavailable(error.message, hint=hint) from error
            finally:
                await source.close()
        await asyncio.to_thread(_remove_files, directory)
        await asyncio.to_thread(remove_policy, directory)
        await asyncio.to_thread(remove_source, directory)


def _remove_files(directory: Path) -> None:
    for name in _REPLICATION_FILES:
        try:
            shutil.rmtree(directory / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StateFailed(f"{directory / name} cannot be removed: {error.strerror}") from None
