"""A second vault, to which points are copied: the third site."""

from typing import Literal, Protocol, TypeAlias

from understudy.engine.answers import Damage, OnProgress
from understudy.engine.promotion import Promoted, PromoteSecond, Prospects
from understudy.engine.values import Value

SecondState: TypeAlias = Literal["waiting", "copying", "current", "failing"]


class CreateSecond(Value, frozen=True):
    """Make an empty place a copy of the vault."""

    url: str


class BringSecond(Value, frozen=True):
    """Bring a copy on. `machines`: names or ids; empty: all of the vault's. `collect`: delete what the copy's own log says may go, when
    this host has known of it for the grace; with an operator's key."""

    url: str
    machines: tuple[str, ...] = ()
    collect: bool = False


class SecondMachine(Value, frozen=True):
    """How far the copy of one machine is. `point`: the newest that it has (its number), frozen at `frozen_at`; None: none. So many points
    are newer, the newest of them frozen `lag_seconds` later; None where the copy has no point."""

    machine: str
    machine_id: str
    point: int | None
    frozen_at: int | None
    behind: int
    lag_seconds: float | None
    points: int = 0
    """That the copy has."""


class Brought(Value, frozen=True):
    """`objects` and `bytes` were sent; `deleted`: objects that the copy's log says may go, and went."""

    url: str
    machines: tuple[SecondMachine, ...]
    objects: int
    bytes: int
    deleted: int
    seconds: float


class VerifiedSecond(Value, frozen=True):
    """`machines`: those in the copy, as its own logs tell. `damage`: what is not what was written, or is missing. `keys`: slots that the
    vault has not, and that open the copy; None: the vault could not be asked."""

    url: str
    machines: tuple[SecondMachine, ...]
    objects: int
    read_bytes: int
    seconds: float
    damage: tuple[Damage, ...]
    keys: tuple[str, ...] | None


class Second(Value, frozen=True):
    """A machine's copy as the daemon sees it that brings it on. `point`, `frozen_at`, `behind`, `lag_seconds`: as in SecondMachine; None:
    not known yet, or the copy has no point. `seen_at`: when it was brought on last."""

    url: str
    state: SecondState
    point: int | None = None
    frozen_at: int | None = None
    behind: int | None = None
    lag_seconds: float | None = None
    seen_at: int | None = None
    failure: str = ""
    """Why it is not brought on; empty if it is."""
    verified_at: int | None = None
    """When some of it was read and held against what its log says."""
    damage: str = ""
    """What was found damaged then, and could not be healed."""


class Seconds(Protocol):
    """What can be done with copies of the vault. Everything raises `UnderstudyError`."""

    async def create_second(self, request: CreateSecond) -> Brought: ...

    async def bring_second(self, request: BringSecond, progress: OnProgress) -> Brought: ...

    async def verify_second(self, url: str, progress: OnProgress) -> VerifiedSecond: ...

    async def prospects(self, url: str) -> Prospects:
        """What a promotion of this copy would do now."""
        ...

    async def promote_second(self, request: PromoteSecond) -> Promoted:
        """Repeatable, whatever was killed when."""
        ...
