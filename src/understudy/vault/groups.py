"""Points of several machines that were frozen at one instant, found again in the machines' logs. Pure."""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from understudy.vault.log.state import MachineState
from understudy.vault.maps.points import PointEntry


@dataclass(frozen=True, slots=True)
class Instant:
    """One instant of a consistency group. Machine ids have 32 hex digits."""

    id: str
    """32 hex digits."""
    name: str
    """What the group was called then."""
    members: tuple[str, ...]
    """All machines that were frozen together, in the order of their ids."""
    points: Mapping[str, PointEntry]
    """By machine id, of those members that have their point."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Members without their point: it never came to be, or was dropped since."""
        return tuple(member for member in self.members if member not in self.points)

    @property
    def complete(self) -> bool:
        """Only then is it what the machines were at one instant."""
        return not self.missing

    @property
    def frozen_at(self) -> int:
        """Wall clock, ns."""
        return max(entry.point.frozen_at for entry in self.points.values())


class _Key(NamedTuple):
    """What a machine says of a group counts only as far as the others say the same: the members are part of what identifies it."""

    group: bytes
    members: tuple[bytes, ...]


def companions(state: MachineState) -> frozenset[str]:
    """The other machines whose points any of this one's belongs to."""
    return frozenset(member.hex() for entry in state.points if entry.point.group for member in entry.point.members) - {state.id}


def instants(states: Iterable[MachineState]) -> tuple[Instant, ...]:
    """Every instant that a point of these machines belongs to, in the order of the machines' logs (by time where those do not tell).

    Of two points that claim one machine's place in it, neither is trusted to be the one.
    """
    found: dict[_Key, dict[str, list[PointEntry]]] = {}
    orders: list[list[_Key]] = []
    for state in states:
        order: dict[_Key, None] = {}
        for entry in state.points:
            key = _Key(entry.point.group, tuple(sorted(set(entry.point.members))))
            if key.group and bytes.fromhex(state.id) in key.members:
                order[key] = None
                found.setdefault(key, {}).setdefault(state.id, []).append(entry)
        orders.append(list(order))
    made = {key: _instant(key, {id_: entries[0] for id_, entries in claims.items() if len(entries) == 1}) for key, claims in found.items()}
    times = {key: max(entry.point.frozen_at for entries in claims.values() for entry in entries) for key, claims in found.items()}
    return tuple(made[key] for key in _merged(orders, times) if made[key].points)


def _instant(key: _Key, points: Mapping[str, PointEntry]) -> Instant:
    name = next((entry.point.group_name for _, entry in sorted(points.items())), "")
    return Instant(key.group.hex(), name, tuple(member.hex() for member in key.members), points)


def _merged(orders: Sequence[Sequence[_Key]], times: Mapping[_Key, int]) -> Iterator[_Key]:
    """One order that contradicts none of these; where they contradict each other, the earlier time goes first."""
    before: dict[_Key, int] = dict.fromkeys(times, 0)
    after: dict[_Key, list[_Key]] = {}
    for order in orders:
        for first, second in pairwise(order):
            before[second] += 1
            after.setdefault(first, []).append(second)
    waiting = sorted(times, key=lambda key: (times[key], key), reverse=True)
    ready = [(times[key], key) for key in waiting if not before[key]]
    heapq.heapify(ready)
    done: set[_Key] = set()
    while waiting:
        key = heapq.heappop(ready)[1] if ready else waiting.pop()
        if key in done:
            continue
        done.add(key)
        yield key
        for second in after.get(key, ()):
            before[second] -= 1
            if not before[second]:
                heapq.heappush(ready, (times[second], second))
