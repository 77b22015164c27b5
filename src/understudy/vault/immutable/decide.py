"""Which versions are ours, which of them are covered, and which must be locked for longer. Pure.

A name is written once, and only if it is free: so the first version under it is ours, and whatever came later was laid on top of it by
somebody else. Before a vault is whole that may have been another try to make it: hence `born`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from understudy.store.locks import Stored, Terms, Version

SPARE = 0.25
LEAST_SPARE = 86400.0
"""Seconds. What is locked is locked for so much longer than it must be, so that it need not be said again each hour."""
NEAR = 2.0
"""Seconds by which times of the store may be off: they are whole ones, cut."""


class Known(NamedTuple):
    """What was locked, by our own doing: a version, and until when (seconds since 1970)."""

    version: str
    until: float


class Rule(NamedTuple):
    """`first` of the store's terms as they are now, and since when it was seen to be so: older objects came under another one."""

    first: float = 0.0
    since: float = 0.0

    def now(self, terms: Terms) -> "Rule":
        return self if terms.first == self.first else self.from_now(terms)

    def from_now(self, terms: Terms) -> "Rule":
        return Rule(terms.first, terms.now + NEAR)

    def locks(self, ours: Version) -> float:
        """Until when; 0 if not at all."""
        return ours.at + self.first if self.first and ours.at >= self.since else 0.0


class Order(NamedTuple):
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`orders`: what is to be locked until `until`; what ends first comes first. `held`: until when all of it is locked once that is done;
    0 if there is nothing. `covered`: names of locked objects that somebody deleted or overwrote; `lost`: those that are gone all the same.
    `known`: of what is there, what was known before. `sample`: the newest of those that are believed to be locked by the rule alone,
    and until when."""

    orders: tuple[Order, ...]
    until: float
    held: float
    objects: int
    covered: tuple[str, ...]
    lost: tuple[str, ...]
    known: dict[str, Known]
    sample: tuple[Order, float] | None


def spare(seconds: float) -> float:
    return max(seconds * SPARE, LEAST_SPARE)


def original(stored: Stored, born: float = 0.0) -> Version | None:
    """The version that is ours. `born`: when the vault was whole, for what was made before; of what came until then the newest counts."""
    if not stored.versions:
        return None
    early = [version for version in stored.versions if version.at <= born]
    return early[0] if early else stored.versions[-1]


def covers(stored: Stored, ours: Version) -> tuple[Version, ...]:
    """What came later than our version where a reader does not see its bytes any more; empty where one does."""
    everything = (*stored.versions, *stored.markers)
    seen = next((version for version in everything if version.latest), ours)
    if not seen.marker and (seen.size, seen.tag) == (ours.size, ours.tag):
        return ()
    newer = stored.versions[: stored.versions.index(ours)]
    return (*newer, *(marker for marker in stored.markers if marker.at >= ours.at))


class Wanted(NamedTuple):
    """`now`: by the store's clock. `seconds`: for how long everything must be locked from now on at any time. `period`: seconds until this
    is asked again, at most."""

    now: float
    seconds: float
    period: float


def plan(found: Iterable[Stored], known: Mapping[str, Known], rule: Rule, wanted: Wanted, born: float = 0.0) -> Plan:
    """`found`: all that somebody needs. `born` as for `original`."""
    must, until = wanted.now + wanted.seconds, wanted.now + wanted.seconds + spare(wanted.seconds)
    newest = 0.0
    sample: tuple[Order, float] | None = None
    ending: list[tuple[float, Order]] = []
    covered, lost, still = list[str](), list[str](), dict[str, Known]()
    held, objects = until, 0
    for stored in found:
        before, ours = known.get(stored.name), original(stored, born)
        if before is not None and before.until > wanted.now and before.version not in {version.id for version in stored.versions}:
            lost.append(stored.name)
        if ours is None:
            continue
        locked = before.until if before is not None and before.version == ours.id else 0.0
        if (by_rule := rule.locks(ours)) > locked:
            locked = by_rule
            if ours.at >= newest:
                newest, sample = ours.at, (Order(stored.name, ours.id), by_rule)
        above = covers(stored, ours)
        if above and locked <= min(version.at for version in above):
            continue  # as a collection does, and as nobody is to be blamed for
        if above:
            covered.append(stored.name)
        if before is not None and before.version == ours.id:
            still[stored.name] = before
        objects += 1
        if locked < must + wanted.period:
            ending.append((locked, Order(stored.name, ours.id)))
        else:
            held = min(held, locked)
    ending.sort()
    return Plan(tuple(order for _, order in ending), until, held if objects else 0.0, objects, tuple(covered), tuple(lost), still, sample)
