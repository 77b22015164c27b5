"""Bring back what somebody deleted or overwrote though it was locked. Needs no key, and works on a vault that cannot be opened any more.

A collection of ours leaves what is locked. So what was covered while its lock was in effect was covered by somebody else; what was not
locked then may have been collected, and comes back only where everything is to. Old records of a log are the exception: a collection
covers them although they are locked, so that the log does not grow; brought back they do no harm, and the next one covers them again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from understudy.errors import StoreRefused
from understudy.store.locks import Locks, Stored
from understudy.vault import names
from understudy.vault.concurrent import each
from understudy.vault.immutable.decide import covers, original

REQUESTS = 8
_UNVERSIONED = ("", "null")
"""What stands for the version of an object where a bucket keeps none."""


@dataclass(slots=True)
class Uncovered:
    """`objects`: how many there are in all, `kept`: whether any has a version, or a mark of deletion, of its own. `found`: names of what
    was covered while it was locked, and comes back. `unlocked`: of what was covered when no lock held it, which comes back only if
    everything is to. `failed`: why, by name."""

    objects: int = 0
    kept: bool = False
    found: list[str] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


async def uncover(
    locks: Locks, *, dry: bool = False, everything: bool = False, progress: Callable[[int, int], None] = lambda _done, _of: None
) -> Uncovered:
    """`progress`: how many of how many covered ones were looked at. May be said again after a failure. What a server refuses for one object
    keeps no other from coming back; `StoreUnavailable` ends it."""
    report = Uncovered()
    covered, born = await _covered(locks, report)
    done = 0

    async def one(stored: Stored) -> None:
        nonlocal done
        await _one(locks, stored, born if not _of_machine(stored.name) else 0.0, report, dry, everything)
        done += 1
        progress(done, len(covered))

    await each(REQUESTS, one, sorted(covered, key=lambda stored: (names.log("") in stored.name, stored.name)))
    for found in (report.found, report.unlocked):
        found.sort()
    return report


async def _covered(locks: Locks, report: Uncovered) -> tuple[Sequence[Stored], float]:
    """What may be covered, and when the first machine came: then the vault was whole."""
    common, covered, born = list[Stored](), list[Stored](), 0.0
    async for stored in locks.stored(""):
        if _is_probe(stored.name):
            continue
        report.kept = report.kept or any(version.id not in _UNVERSIONED for version in (*stored.versions, *stored.markers))
        if not stored.versions:
            continue
        report.objects += 1
        if not _of_machine(stored.name):
            common.append(stored)
            continue
        first = stored.versions[-1].at
        born = min(born, first) if born else first
        if covers(stored, stored.versions[-1]):
            covered.append(stored)
    return [*common, *covered], born


async def _one(locks: Locks, stored: Stored, born: float, report: Uncovered, dry: bool, everything: bool) -> None:
    ours = original(stored, born)
    above = () if ours is None else covers(stored, ours)
    if ours is None or not above:
        return
    lock = await locks.locked(stored.name, ours.id)
    locked = lock is not None and lock.until > min(version.at for version in above)
    if not locked:
        report.unlocked.append(stored.name)
    if not locked and not everything:
        return
    if not dry:
        try:
            await locks.uncover(stored.name, ours.id, tuple(version.id for version in above))
        except StoreRefused as error:
            report.failed[stored.name] = error.message
            return
    if locked:
        report.found.append(stored.name)


def _of_machine(name: str) -> bool:
    return name.startswith(names.MACHINES)


def _is_probe(name: str) -> bool:
    return _of_machine(name) and name.split("/")[2:3] == ["probes"]
