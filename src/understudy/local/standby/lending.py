"""What a standby's images are worth to a machine that is started here from a point, and giving them to it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from understudy import engine
from understudy.engine.units import duration
from understudy.errors import NotFound, TargetFailed
from understudy.local.site import Site
from understudy.local.standby.following import followed
from understudy.local.standby.held import Image, Standby, standby_of
from understudy.local.standby.keeping import attach, detach
from understudy.model import BLOCK_SIZE
from understudy.recovery.standing import Holds, Mixed, Unknown
from understudy.vault.log.machine_log import MachineLog
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry
from understudy.vault.vault import Vault

LIMIT = 20.0
"""Seconds that a machine's start may wait for its standby: from the vault it starts at once."""
GRACE = 5.0
"""Seconds for a step that was given up to leave what it did on record."""
RATE = 64 << 20
"""Bytes of changes a second that a standby is taken to be brought on by, before it is tried."""


@dataclass(frozen=True, slots=True)
class Ready:
    """They hold the point."""


@dataclass(frozen=True, slots=True)
class Behind:
    """They can be brought to it soon: about so many bytes have changed."""

    bytes: int


@dataclass(frozen=True, slots=True)
class Unfit:
    """`words`: why the machine does not start from them; empty where there are none."""

    words: str = ""
    lent: bool = False
    """Whether that is all that is wrong: whoever has them may need them no more."""


Worth: TypeAlias = Ready | Behind | Unfit


@dataclass(frozen=True, slots=True)
class Lent:
    """`images` by disk name: they stay as they are for the one who borrowed them. None of them: `words` says why, if there is a standby."""

    images: Mapping[str, str] = field(default_factory=dict)
    words: str = ""


def worth(standby: Standby, state: MachineState, entry: PointEntry, by: str) -> Worth:
    """`by`: who asks; what it has been lent already it is lent again. Pure."""
    if standby.detached not in ("", by):
        return Unfit(f"its standby image is in use: {standby.detached}", lent=True)
    if standby.paused:
        return Unfit("its standby is paused")
    for image in standby.images.values():
        if (image.format == "qcow2") != image.path.name.endswith(".qcow2"):
            return Unfit(f"the standby image {image.path} is {image.format}, and not named so")
    if standby.point == entry.point.id.hex():
        return Ready()
    if missing := sorted({disk.name for disk in entry.point.disks} - standby.images.keys()):
        return Unfit(f"its standby has no image of disk {missing[0]} yet")
    for image in standby.images.values():
        if isinstance(image.held, Unknown) or not image.proven:
            why = f": {image.held.reason}" if isinstance(image.held, Unknown) else ""
            return Unfit(f"it is not known what its standby image {image.path} holds{why}")
    known = {known.point.id.hex(): known.seq for known in state.entries}
    held = [known.get(point) for image in standby.images.values() for point in _points_of(image)]
    numbers = [number for number in held if number is not None]
    if len(numbers) < len(held) or not numbers:
        return Unfit("its standby image holds a point that the vault does not tell of any more")
    if max(numbers) > entry.seq:
        return Unfit(f"its standby image is ahead of point {entry.seq}, at point {max(numbers)}")
    changed = sum(one.point.stats.changed for one in state.entries if min(numbers) < one.seq <= entry.seq) * BLOCK_SIZE
    if changed > LIMIT * RATE:
        return Unfit(
            f"its standby image is at point {min(numbers)}, {changed >> 20} MiB of changes behind: more than is waited for in a failover"
        )
    return Behind(changed)


def processed(standby: Standby, state: MachineState) -> PointEntry:
    """The newest point that its images hold, or that some do and the rest are on the way to. `NotFound` where that cannot be told, or the
    point is not kept any more."""
    known = {entry.point.id.hex(): entry for entry in state.points}
    held = [known[point] for image in standby.images.values() for point in _points_of(image) if point in known]
    if standby.point in known:
        return known[standby.point]
    if not held or any(isinstance(image.held, Unknown) for image in standby.images.values()):
        raise NotFound(
            f"it is not known which point of {state.name!r} its standby image on this site holds", hint="take its latest point instead"
        )
    return max(held, key=lambda entry: entry.seq)


async def processed_here(vault: Vault, log: MachineLog, site: Site) -> PointEntry:
    """The same of this host's standby; `NotFound` without one."""
    standby = await asyncio.to_thread(standby_of, site.directory(vault.id, log.machine_id), vault.id, log.machine_id)
    if standby is None:
        raise NotFound(f"{log.state.name} has no standby image on this site", hint="take its latest point instead")
    return processed(standby, log.state)


async def looked(vault: Vault, log: MachineLog, site: Site, entry: PointEntry, by: str) -> Worth:
    standby = await asyncio.to_thread(standby_of, site.directory(vault.id, log.machine_id), vault.id, log.machine_id)
    return Unfit() if standby is None else worth(standby, log.state, entry, by)


async def brought(vault: Vault, log: MachineLog, site: Site, entry: PointEntry, progress: engine.OnProgress) -> None:
    """The images hold the point. `TargetFailed` if that was not done within `LIMIT`; then they are on the way to it, on record."""
    point = entry.point.id.hex()
    step = asyncio.create_task(followed(vault, log, site, progress, point=point, trusting=True), name=f"standby {log.state.name}")
    try:
        done, _ = await asyncio.wait({step}, timeout=LIMIT)
    finally:
        if not step.done():
            step.cancel()
            await asyncio.wait({step}, timeout=GRACE)
    if not done:
        raise TargetFailed(f"its standby image was not brought to point {entry.seq} within {duration(LIMIT)}")
    await step


async def lent(vault: Vault, log: MachineLog, site: Site, entry: PointEntry, by: str) -> Lent:
    """The images, if they hold the point. Idempotent; `attach` gives them back."""
    found = await looked(vault, log, site, entry, by)
    if isinstance(found, Ready):
        await detach(vault, log, site, by)
        # Until then another process may have brought them on, or been lent them.
        standby = await asyncio.to_thread(standby_of, site.directory(vault.id, log.machine_id), vault.id, log.machine_id)
        if standby is not None and (standby.detached, standby.point) == (by, entry.point.id.hex()):
            return Lent({name: str(image.path) for name, image in standby.images.items()})
        await given_back(vault, log, site, by)
        found = await looked(vault, log, site, entry, by)
    return Lent(words=found.words if isinstance(found, Unfit) else f"its standby image is not at point {entry.seq}")


async def given_back(vault: Vault, log: MachineLog, site: Site, by: str) -> None:
    """Whoever was lent the images needs them no more. Idempotent."""
    standby = await asyncio.to_thread(standby_of, site.directory(vault.id, log.machine_id), vault.id, log.machine_id)
    if standby is not None and standby.detached == by:
        await attach(vault, log, site)


def _points_of(image: Image) -> tuple[str, ...]:
    match image.held:
        case Holds(point):
            return (point,)
        case Mixed(points):
            return points
    return ()
