"""Standbys as the facade shows them."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from understudy import engine
from understudy.local.site import Site
from understudy.local.standby.file import StandbyFile, keeps_standby, must_read_standby
from understudy.local.standby.held import Image, standby_as
from understudy.recovery.standing import Unknown
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry
from understudy.vault.memory import Memory


def standbys_here(vault_id: str, site: Site) -> list[str]:
    """Ids of the machines of which this host keeps a standby, whole or not. Blocks."""
    return [machine for machine in Memory.of(site.state, vault_id).machines() if keeps_standby(site.directory(vault_id, machine))]


def standby_shown_of(directory: Path, vault_id: str, state: MachineState) -> engine.Standby:
    """`directory`: the machine's here. `NotFound` without a standby. Blocks."""
    return shown_standby(must_read_standby(directory, state.name), vault_id, state)


def shown_standby(found: StandbyFile, vault_id: str, state: MachineState) -> engine.Standby:
    """`state`: of its machine. Looks at the images' records. Blocks."""
    standby = standby_as(found, vault_id, state.id)
    entries = {entry.point.id.hex(): entry for entry in state.entries}
    mine, newest = entries.get(standby.point), state.newest
    came, towards = (None, None) if standby.point else _way(list(standby.images.values()), entries)
    least = mine or came
    behind = lag = None
    if least is not None and newest is not None:
        newer = sum(least.seq < entry.seq <= newest.seq for entry in state.points)
        # One that the machine did not go on from is to be left, even if it is the younger one.
        behind = 0 if mine is not None and mine.point.id == newest.point.id else max(newer, 1)
        lag = max(newest.point.frozen_at - least.point.frozen_at, 0) / 1e9
    return engine.Standby(
        machine=state.name,
        machine_id=state.id,
        state="in-use" if standby.detached else "paused" if standby.paused else "following",
        since=standby.since,
        disks=tuple(_disk(name, image) for name, image in sorted(standby.images.items())),
        directory=found.directory,
        used_by=standby.detached,
        former=found.former,
        point=standby.point,
        number=mine.seq if mine is not None else 0,
        frozen_at=mine.point.frozen_at if mine is not None else None,
        came_number=came.seq if came is not None else 0,
        towards_number=towards.seq if towards is not None else 0,
        behind=behind,
        lag_seconds=lag,
    )


def _way(images: Sequence[Image], entries: Mapping[str, PointEntry]) -> tuple[PointEntry | None, PointEntry | None]:
    """From where to where they are on their way. One that is there already, or has not begun, holds one of the two."""
    ends = [entries.get(image.towards) for image in images if image.towards]
    begins = [entries.get(image.point or image.came) for image in images]
    known = [entry for entry in begins if entry is not None]
    came = min(known, key=attrgetter("seq")) if ends and len(known) == len(begins) else None
    return came, max((entry for entry in ends if entry is not None), key=attrgetter("seq"), default=None)


def _disk(name: str, image: Image) -> engine.StandbyDisk:
    match image.held:
        case Unknown(reason) if not image.towards:
            doubt = reason
        case _:
            doubt = ""
    return engine.StandbyDisk(
        name=name,
        path=str(image.path),
        format=image.format,
        point=image.point,
        came=image.came,
        towards=image.towards,
        doubt=doubt,
        proven_at=image.proven or None,
    )
