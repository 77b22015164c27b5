"""How long this host has known that something may go, by the one clock that does not jump: the time since the machine was started."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from understudy.durable import replace_file
from understudy.errors import StateFailed
from understudy.vault.malformed import MALFORMED


class Now(NamedTuple):
    """Which start of this host it is, and the seconds since then, those asleep included."""

    boot: str
    uptime: float


def now() -> Now:
    return Now(Path("/proc/sys/kernel/random/boot_id").read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME))


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` that certainly have passed since it was first seen, when the log's head was `head`."""

    seconds: float
    head: int

    def after(self, seconds: float) -> "Sighting":
        return Sighting(seconds=self.seconds + seconds, head=self.head)


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, by key. Forgotten (a new host, a lost state directory), everything begins anew: later, never earlier."""

    boot: str = ""
    uptime: float = 0.0
    sightings: dict[str, Sighting] = msgspec.field(default_factory=dict)

    def seconds(self, key: str) -> float:
        seen = self.sightings.get(key)
        return seen.seconds if seen is not None else 0.0


def observed(before: Witness, at: Now, head: int, keys: Iterable[str]) -> Witness:
    """After seeing `keys`, and nothing else, at this moment. Pure.

    Between two runs of the host only the newer one's whole time counts: less than has passed, never more.
    """
    passed = at.uptime - before.uptime if at.boot == before.boot else at.uptime
    seen: Mapping[str, Sighting] = before.sightings
    sightings = {
        key: Sighting(seconds=seen[key].seconds + max(0.0, passed), head=seen[key].head)
        if key in seen
        else Sighting(seconds=0.0, head=head)
        for key in keys
    }
    return Witness(boot=at.boot, uptime=at.uptime, sightings=sightings)


def load(path: Path) -> Witness:
    """One that does not read is forgotten. Blocks."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Witness)
    except (FileNotFoundError, *MALFORMED):
        return Witness()
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}") from error


def save(path: Path, witness: Witness) -> None:
    """Durable. Blocks."""
    replace_file(path, msgspec.json.encode(witness))
