"""What may stand behind the question mark of a path. A name that is not here is refused."""

from typing import Annotated, TypeAlias

import msgspec

from understudy.engine import JobState, Value

KIND_PATTERN = "^[a-z][a-z.-]{0,62}$"
NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"

Kinds: TypeAlias = Annotated[tuple[Annotated[str, msgspec.Meta(pattern=KIND_PATTERN)], ...], msgspec.Meta(max_length=20)]
Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Nothing(Value, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Paging(Value, frozen=True, forbid_unknown_fields=True):
    """`next`: what the page before said."""

    limit: Limit = 100
    next: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class RemoveStandbyAsked(Value, frozen=True, forbid_unknown_fields=True):
    """`keep_images`: they stay as they are; else they are deleted."""

    keep_images: bool = False


class PointsPaging(Value, frozen=True, forbid_unknown_fields=True):
    """`next`: only points older than the one with this number."""

    limit: Limit = 1000
    next: Number | None = None


class JobsAsked(Value, frozen=True, forbid_unknown_fields=True):
    """Newest first. `next`: only jobs older than the one with this id."""

    limit: Limit = 50
    next: Name | None = None
    machine: Name | None = None
    state: Annotated[tuple[JobState, ...], msgspec.Meta(max_length=6)] = ()


class DrillsAsked(Value, frozen=True, forbid_unknown_fields=True):
    """Newest first. `next`: what the page before said."""

    limit: Limit = 50
    next: Name | None = None
    machine: Name | None = None


class EventsAsked(Value, frozen=True, forbid_unknown_fields=True):
    """Oldest first, after event `after`; without it the newest. `kind`: only these; `without`: but not these."""

    limit: Limit = 100
    after: Number | None = None
    machine: Name | None = None
    kind: Kinds = ()
    without: Kinds = ()


class StreamAsked(Value, frozen=True, forbid_unknown_fields=True):
    """`after` counts where no Last-Event-ID is sent. `job`: only that job's changes."""

    after: Number | None = None
    job: Name | None = None


class UnprotectAsked(Value, frozen=True, forbid_unknown_fields=True):
    """`forget`: the VM is gone for good; it is not looked for."""

    forget: bool = False
