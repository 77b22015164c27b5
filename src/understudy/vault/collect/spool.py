"""Changes kept in a file until maps are made of them: what was marked, and nothing else, is what maps are made from."""

from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np

from understudy.native.layout import PIECE
from understudy.vault.collect.sweep import Change
from understudy.vault.maps.points import PointEntry


class _Place(NamedTuple):
    entry: PointEntry
    before: bytes | None
    rows: tuple[tuple[bytes, int, int], ...]
    """Of each disk: offset in the file, number of rows."""


class Spool:
    """40 bytes a row, in a file that its maker closes. `OSError` where that cannot grow."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: list[_Place] = []

    def add(self, change: Change) -> None:
        rows = []
        for disk, some in change.rows.items():
            rows.append((disk, self._file.tell(), len(some)))
            self._file.write(some.tobytes())
        self._places.append(_Place(change.entry, change.before, tuple(rows)))

    def changes(self) -> Iterator[Change]:
        """As they came. Nothing can be added after that."""
        for place in self._places:
            yield Change(place.entry, place.before, {disk: self._read(at, count) for disk, at, count in place.rows})

    def _read(self, at: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        self._file.seek(at)
        return np.frombuffer(self._file.read(count * PIECE.itemsize), dtype=PIECE, count=count).copy()
