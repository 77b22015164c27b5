"""The vault's values as the facade shows them. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from understudy import engine
from understudy.source.protocol import SourceInfo
from understudy.vault.keys.keyring import Slot, Slots
from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry

NO_GROUPS: Mapping[str, engine.PointGroup] = MappingProxyType({})


def point_of(entry: PointEntry, state: MachineState, group: engine.PointGroup | None = None) -> engine.Point:
    """`state`: of the machine whose point it is."""
    point = entry.point
    return engine.Point(
        number=entry.seq,
        id=point.id.hex(),
        frozen_at=point.frozen_at,
        cause=point.cause,
        reason=point.reason,
        method=point.method,
        consistency=point.consistency,
        downgrade=point.downgrade,
        scanned_blocks=point.stats.scanned,
        changed_blocks=point.stats.changed,
        zero_blocks=point.stats.zero,
        stored_bytes=point.stats.stored,
        seconds=point.stats.seconds,
        held=any(hold.point == point.id for hold in state.holds),
        disks=tuple(engine.Disk(name=disk.name, size=disk.size, sector=disk.sector) for disk in point.disks),
        group=group,
        verified_at=state.verified.get(point.id),
        superseded=point.id in state.superseded,
        final=point.final,
    )


def points_of(
    state: MachineState, groups: Mapping[str, engine.PointGroup] = NO_GROUPS, locked: engine.Immutability | None = None
) -> tuple[engine.Point, ...]:
    """Oldest first. `groups`: by a point's id what it is bound to. `locked`: what this host knows of the machine's locks."""
    points = (point_of(entry, state, groups.get(entry.point.id.hex())) for entry in state.points)
    if locked is None:
        return tuple(points)
    return tuple(msgspec.structs.replace(point, immutable_until=immutable_until(locked, point.number, point.frozen_at)) for point in points)


def immutable_until(known: engine.Immutability, number: int, frozen_at: int) -> int | None:
    """Until when all that a point needs is locked; its record's number, and when it was frozen (ns)."""
    if known.until is None or known.wrong or known.lost:
        return None
    if number <= known.head:
        return known.until
    # What it is laid on is locked as said; what came with it, by the store's own rule.
    return min(known.until, frozen_at + int(known.first_seconds * 1e9)) if known.first_seconds else None


def dropped_of(state: MachineState) -> tuple[engine.DroppedPoint, ...]:
    """Oldest first."""
    found = sorted((gone.seq, point.hex(), gone.prune, gone.at) for point, gone in state.dropped.items())
    return tuple(engine.DroppedPoint(number=seq, id=point, prune=prune, at=at) for seq, point, prune, at in found)


def machine_of(state: MachineState, here: bool) -> engine.Machine:
    newest = point_of(state.newest, state) if state.newest else None
    return engine.Machine(
        id=state.id, name=state.name, epoch=state.epoch, site=state.site, here=here, points=len(state.points), newest=newest
    )


def keys_of(slots: Slots) -> tuple[engine.Key, ...]:
    damaged = (engine.Key(slot=slot.id, role=None, label="", kind="damaged", current=False, damage=slot.reason) for slot in slots.damaged)
    return (*map(key_of, slots.whole), *damaged)


def key_of(slot: Slot) -> engine.Key:
    kind: Literal["passphrase", "key-file"] = "passphrase" if slot.opens_with == "passphrase" else "key-file"
    return engine.Key(slot=slot.id, role=slot.role, label=slot.label, kind=kind, current=slot.current)


def found_of(info: SourceInfo) -> engine.Found:
    disks = tuple(engine.Disk(name=disk.name, size=disk.size, sector=disk.sector) for disk in info.disks)
    return engine.Found(
        kind=info.kind, method=info.method, disks=disks, quiesce=info.quiesce, excluded=info.excluded, fleeting=info.fleeting
    )
