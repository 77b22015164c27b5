"""Few larger reads instead of many small ones. Pure, columnar."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Reads(NamedTuple):
    """start, length: of each read. owner: for each item that was asked for, the read that holds it."""

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    owner: NDArray[np.int64]


def coalesce(start: NDArray[np.int64], length: NDArray[np.int64], gap: int, most: int) -> Reads:
    """Join items at most `gap` bytes apart into one read, which spans `most` bytes before its last item begins."""
    if not len(start):
        none = np.empty(0, dtype=np.int64)
        return Reads(none, none, none)
    order = np.argsort(start, kind="stable")
    first = start[order]
    reach = np.maximum.accumulate(first + length[order])
    opens = np.append(True, first[1:] > reach[:-1] + gap)
    base = first[np.flatnonzero(opens)][np.cumsum(opens) - 1]
    chunk = (first - base) // most
    opens[1:] |= chunk[1:] != chunk[:-1]
    heads = np.flatnonzero(opens)
    # An item may reach beyond a later one: the end is the furthest of the read's own items.
    ends = np.maximum.reduceat(first + length[order], heads)
    owner = np.empty(len(start), dtype=np.int64)
    owner[order] = np.cumsum(opens) - 1
    return Reads(first[heads], ends - first[heads], owner)
