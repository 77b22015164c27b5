"""A copy of the vault becomes the vault."""

from understudy.engine.answers import Damage
from understudy.engine.values import Value


class PromoteSecond(Value, frozen=True):
    """Make the copy at `url` the vault. `despite`: though points of it are not whole."""

    url: str
    despite: bool = False


class Prospect(Value, frozen=True):
    """What a promotion makes of one machine. `point`: the newest that the copy has; None: none, or it is not there. `damage`: what its
    points would be read from, and is not there. `lost`: numbers of the vault's points that the copy has not; None: the vault could not
    be asked. `records`: so many of its log are known that the copy has not, from the vault or since this site has seen them.
    `failed_over`: the vault knows of a failover that the copy does not."""

    machine: str
    machine_id: str
    point: int | None
    frozen_at: int | None
    points: int
    damage: tuple[Damage, ...]
    lost: tuple[int, ...] | None
    records: int
    failed_over: bool = False


class Prospects(Value, frozen=True):
    """`vault`: why the vault that the copy is of cannot be asked; empty: it was. `promoted`: it was promoted before, and only what is left
    of that would be done."""

    url: str
    vault_id: str
    vault: str
    promoted: bool
    machines: tuple[Prospect, ...]


class Promoted(Value, frozen=True):
    """`told`: why the former vault could not be told that it was given up; empty: it was. `sites`: those that have machines in it.
    `seconds`: machines whose own policies at this site name this place as their second vault still."""

    url: str
    copy: str
    machines: int
    told: str
    sites: tuple[str, ...]
    seconds: tuple[str, ...] = ()
