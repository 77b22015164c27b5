"""Who has a place where there are not places for all. Pure."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Places(Generic[T]):
    """So many at most, each in a group. Who comes always has one: when there are more, the oldest of the largest group loses its own.

    So no group, however many it sends, takes from a smaller one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._groups: dict[str, dict[T, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, group: str, one: T) -> T | None:
        """Who loses its place for it, if anybody does."""
        self._groups.setdefault(group, {})[one] = None
        self._count += 1
        if self._count <= self._most:
            return None
        # Of groups that are as large, the one that came last gives way.
        largest = max(reversed(self._groups), key=lambda name: len(self._groups[name]))
        oldest = next(iter(self._groups[largest]))
        self.leave(largest, oldest)
        return oldest

    def leave(self, group: str, one: T) -> None:
        """Nothing if it has left, or lost its place."""
        members = self._groups.get(group, {})
        if one in members:
            del members[one]
            self._count -= 1
        if not members:
            self._groups.pop(group, None)
