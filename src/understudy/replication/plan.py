"""What a cycle has to do, decided from values alone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from understudy import extents as ext
from understudy.model import Changes, DiskInfo, Extents, Lost, Tracked, Untracked, blocks_of
from understudy.vault.kinds import PointDisk


class Cause(StrEnum):
    """Why a point carries what it carries."""

    INITIAL = "initial"
    DELTA = "delta"
    RESYNC = "resync"


@dataclass(frozen=True, slots=True)
class DiskPlan:
    """One disk's part in a cycle."""

    id: bytes
    info: DiskInfo
    parent: PointDisk | None
    """The disk in the parent point; None if it had none of this name."""
    cause: Cause
    reason: str
    """Why this disk is not a plain delta; empty for one."""
    tracked: Extents | None
    """The extents to examine; None: all that is or was not zero."""


def disk_plan(info: DiskInfo, parent: PointDisk | None, changes: Changes, new_id: bytes) -> DiskPlan:
    """A delta is legal only against a parent of the same size and geometry, with a trusted record of changes; else compare everything."""
    blocks = blocks_of(info.size)
    if parent is None:
        return DiskPlan(new_id, info, None, Cause.INITIAL, "", None)
    if parent.size != info.size:
        return DiskPlan(
            parent.id, info, parent, Cause.RESYNC, f"disk {info.name} was resized from {parent.size} to {info.size} bytes", None
        )
    if parent.sector != info.sector:
        reason = f"the sectors of disk {info.name} changed from {parent.sector} to {info.sector} bytes"
        return DiskPlan(parent.id, info, parent, Cause.RESYNC, reason, None)
    match changes:
        case Tracked(extents):
            return DiskPlan(parent.id, info, parent, Cause.DELTA, "", ext.clip(extents, blocks))
        case Untracked():
            return DiskPlan(parent.id, info, parent, Cause.DELTA, "", None)
        case Lost(reason):
            return DiskPlan(parent.id, info, parent, Cause.RESYNC, reason, None)


@dataclass(frozen=True, slots=True)
class Lineage:
    """A cycle's cause as a whole and the generation that its point belongs to."""

    cause: Cause
    reason: str
    generation: bytes


def lineage(
    plans: Sequence[DiskPlan], gone: Iterable[str], generation: bytes | None, fresh: bytes, excluded: Collection[str] = ()
) -> Lineage:
    """`gone`: names of the parent's disks that are no more, some `excluded` by the operator. A new generation begins wherever content
    was not followed without a break."""
    if generation is None:
        return Lineage(Cause.INITIAL, "", fresh)
    added = [f"disk {plan.info.name} was added" for plan in plans if plan.cause is Cause.INITIAL]
    removed = [f"disk {name} was {'excluded' if name in excluded else 'removed'}" for name in gone]
    reasons = [plan.reason for plan in plans if plan.cause is Cause.RESYNC] + added + removed
    if reasons:
        return Lineage(Cause.RESYNC, "; ".join(dict.fromkeys(reasons)), fresh)
    return Lineage(Cause.DELTA, "", generation)
