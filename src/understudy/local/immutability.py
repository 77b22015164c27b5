"""A machine's points, locked in the store by this host, and what is known of that here."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import read_record, write_record
from understudy.errors import StateFailed, StoreRefused, Unsupported
from understudy.finish import finish_in_thread
from understudy.local.parts import Parts
from understudy.local.site import Site
from understudy.store.locks import Locks
from understudy.vault.immutable.keeper import Held, Keeper
from understudy.vault.immutable.uncover import uncover
from understudy.vault.log.machine_log import MachineLog

PROBED_FOR = 3 * 86400.0
"""Seconds for which it is believed that locks hold; that they do not, only until the next turn."""
SHOWN = 20
_DIRECTORY, _PROBE, _STATE = "immutability", "probe.json", "immutability.json"
_HINT = "it is made anew with the next turn"
NANOSECONDS = 1_000_000_000


class Probe(msgspec.Struct, frozen=True):
    """Locks held at this address at `at` (seconds since 1970), and whoever asks with these credentials could not pass them."""

    address: str
    at: float


async def kept_immutable(
    parts: Parts, address: str, vault_id: str, log: MachineLog, site: Site, seconds: float, period: float
) -> engine.Immutability:
    """Lock what is to be locked. `log`: read to its end. `period`: seconds until this is done again, at most.

    What the store cannot do, or does not do though it says so, is in the answer; its failures are raised, and what was locked stays so.
    """
    try:
        locks = parts.open_locks(address)
    except Unsupported as error:
        return await _noted(
            site, vault_id, log, engine.Immutability(seconds=seconds, at=time.time_ns(), wrong=(error.message,), hint=error.hint)
        )
    directory = site.state / "vaults" / vault_id / _DIRECTORY
    try:
        wrong, hint = await _probed(locks, address, directory)
        if wrong:
            found = engine.Immutability(seconds=seconds, at=time.time_ns(), wrong=wrong, hint=hint)
        else:
            keeper = Keeper(locks, directory, seconds, period)
            found = _shown(seconds, await keeper.machine(log) + await keeper.vault(log.machine_id))
    finally:
        await locks.close()
    return await _noted(site, vault_id, log, found)


def known_immutability(site: Site, vault_id: str, machine_id: str) -> engine.Immutability | None:
    """As the last turn left it. Blocks."""
    try:
        return read_record(site.directory(vault_id, machine_id) / _STATE, engine.Immutability, _HINT)
    except StateFailed:
        return None


def forget_immutability(site: Site, vault_id: str, machine_id: str) -> None:
    """It is not looked after any more: nothing is said of it. Blocks."""
    (site.directory(vault_id, machine_id) / _STATE).unlink(missing_ok=True)


async def uncovered(parts: Parts, address: str, request: engine.Uncover) -> engine.Uncovered:
    """Takes no key. `Unsupported` for kinds of stores that keep no versions."""
    locks = parts.open_locks(address)
    try:
        done = await uncover(locks, dry=request.dry_run, everything=request.everything)
        doubt = await _doubt(locks, done.kept)
    finally:
        await locks.close()
    return engine.Uncovered(
        objects=done.objects,
        dry_run=request.dry_run,
        everything=request.everything,
        found=tuple(done.found),
        unlocked=tuple(done.unlocked),
        failed=done.failed,
        doubt=doubt,
    )


async def _doubt(locks: Locks, kept: bool) -> str:
    """Why what somebody deleted may not be there any more, though nothing that is there tells of it."""
    try:
        await locks.terms()
    except StoreRefused:
        return ""  # these credentials are not told
    except Unsupported as error:
        if kept:
            return f"{error.message}: nothing was held, and what its versions still have comes back with --all alone"
        return f"{error.message}, and none of its objects has versions: what somebody deleted or overwrote there is gone"
    return ""


@asynccontextmanager
async def locks_that_hold(parts: Parts, address: str) -> AsyncIterator[Locks | None]:
    """For who deletes; None where nothing is locked, or these credentials are not told: then the store itself holds what it holds."""
    try:
        locks = parts.open_locks(address)
    except Unsupported:
        yield None
        return
    try:
        try:
            await locks.terms()
        except (Unsupported, StoreRefused):
            yield None
        else:
            yield locks
    finally:
        await locks.close()


async def _probed(locks: Locks, address: str, directory: Path) -> tuple[tuple[str, ...], str]:
    """What is wrong, and what to do about it; empty if nothing is."""
    path = directory / _PROBE

    def remembered() -> bool:
        try:
            known = read_record(path, Probe, _HINT)
        except StateFailed:
            return False
        return known is not None and known.address == address and 0 <= time.time() - known.at < PROBED_FOR

    if await finish_in_thread(remembered):
        return (), ""
    try:
        wrong = await locks.probe()
    except Unsupported as error:
        return (error.message,), error.hint
    if not wrong:
        await finish_in_thread(lambda: write_record(path, Probe(address, time.time())))
    return wrong, "nothing is locked on a server, or with credentials, that locks do not withstand: see docs/operations.md" if wrong else ""


def _shown(seconds: float, held: Held) -> engine.Immutability:
    return engine.Immutability(
        seconds=seconds,
        at=time.time_ns(),
        until=int(held.until) * NANOSECONDS,
        head=held.head,
        first_seconds=held.first,
        objects=held.objects,
        locked=held.locked,
        covered=len(held.covered),
        lost=len(held.lost),
        names=(*held.lost, *held.covered)[:SHOWN],
    )


async def _noted(site: Site, vault_id: str, log: MachineLog, found: engine.Immutability) -> engine.Immutability:
    path = site.directory(vault_id, log.machine_id) / _STATE
    await finish_in_thread(lambda: write_record(path, found))
    return found
