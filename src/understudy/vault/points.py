"""A recovery point together with its place in its machine's log."""

from dataclasses import dataclass

from understudy.vault import kinds


@dataclass(frozen=True, slots=True)
class PointEntry:
    """A valid point of a machine's log; it and its record are immutable."""

    seq: int
    point: kinds.Point
