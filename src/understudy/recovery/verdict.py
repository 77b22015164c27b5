"""What a verification found, as frozen values."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["scrub", "frames", "digest"]


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not what was written.

    `name`: an object of the vault, the record that carries a pack ("record 12"), or "disk vda of point <id>". `points`: ids in hex
    of those examined that need what is damaged; empty where nothing tells (a scrub without keys).
    """

    name: str
    reason: str
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proven:
    """One point's verdict: whole if nothing that it needs is damaged."""

    seq: int
    point: str
    damage: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        return not self.damage


@dataclass(frozen=True, slots=True)
class Verified:
    """Everything that was examined. `objects`: packs and other objects looked at; `read`: bytes of them (scrub) or of plaintext."""

    level: Level
    points: tuple[Proven, ...]
    damage: tuple[Damage, ...]
    objects: int
    read: int
    seconds: float

    @property
    def whole(self) -> bool:
        return not self.damage
