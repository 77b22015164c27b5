"""Who needs what is damaged: collected while points are examined one after the other."""

from dataclasses import dataclass, field

from understudy.recovery.verdict import Damage


@dataclass(slots=True)
class _Entry:
    reason: str
    points: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """Damage by name, in order of discovery. The first reason stands."""

    _entries: dict[str, _Entry] = field(default_factory=dict)
    _of_point: dict[str, dict[str, None]] = field(default_factory=dict)

    def note(self, name: str, reason: str) -> None:
        self._entries.setdefault(name, _Entry(reason))

    def blame(self, name: str, point: str) -> None:
        """A point needs a damaged thing that was noted."""
        self._entries[name].points[point] = None
        self._of_point.setdefault(point, {})[name] = None

    def of_point(self, point: str) -> tuple[Damage, ...]:
        return tuple(self._damage(name) for name in self._of_point.get(point, ()))

    def all(self) -> tuple[Damage, ...]:
        return tuple(map(self._damage, self._entries))

    def _damage(self, name: str) -> Damage:
        entry = self._entries[name]
        return Damage(name, entry.reason, tuple(entry.points))
