"""Consistency groups: machines of this host that are frozen at one instant, and what came of it."""

from typing import Protocol

from understudy.engine.answers import Cycle, OnProgress, Point, Restored
from understudy.engine.values import ImageFormat, Value


class CreateGroup(Value, frozen=True):
    """Make a group of these machines (names or ids), which this host follows."""

    name: str
    machines: tuple[str, ...]


class GroupMember(Value, frozen=True):
    machine: str
    """Its id."""
    name: str


class Group(Value, frozen=True):
    """A group as this host knows it."""

    name: str
    members: tuple[GroupMember, ...]


class GroupCycle(Value, frozen=True):
    """One instant of a group: a point of each member. `paused_seconds`: the longest that a member stood still for it."""

    group: str
    instant: str
    members: tuple[Cycle, ...]
    paused_seconds: float
    seconds: float


class InstantMember(Value, frozen=True):
    """A machine's part in an instant. `point` None: its point never came to be, or was dropped."""

    machine: str
    name: str
    point: Point | None


class Instant(Value, frozen=True):
    """One instant of a group, as the vault tells it. Only a complete one is what the machines were at that time."""

    id: str
    group: str
    frozen_at: int
    complete: bool
    members: tuple[InstantMember, ...]


class RestoreGroup(Value, frozen=True):
    """Write all disks of an instant. `targets`: for each machine (its id) disk names to absolute paths."""

    instant: str
    format: ImageFormat
    targets: dict[str, dict[str, str]]
    overwrite: bool = False


class GroupRestored(Value, frozen=True):
    instant: Instant
    seconds: float
    machines: tuple[Restored, ...]


class GroupReplication(Protocol):
    """A group whose machines this process owns, ready for the next cycle."""

    async def cycle(self, progress: OnProgress, app_consistent: bool = False) -> GroupCycle:
        """Make one point of each member, all of one instant. It may be called again as for a machine alone."""
        ...
