"""How large packs are, and how many are under way, by what their store can do. Pure."""

from typing import NamedTuple

from understudy.store.protocol import Capabilities
from understudy.vault.packs.pack import CAPACITY

PACKS = 64 << 20
"""Bytes of packs under way in one cycle, whatever the store: four of the largest."""
LEAST = 2 << 20
"""Bytes of the smallest full pack: enough to make a request worth its latency, and its cost."""


class Shape(NamedTuple):
    """`packs` under way at once, of `capacity` bytes of frames at most; `unit`: blocks that are read and encoded at a time."""

    packs: int
    capacity: int
    unit: int


def shape_for(capabilities: Capabilities, total: int) -> Shape:
    """`total`: bytes that are examined.

    Over a long link one connection carries little, however much room there is beside it: there as many packs go at once as are worth it,
    each as large as memory allows, and smaller where there is not enough for all. Otherwise larger ones take fewer requests.
    """
    packs = max(1, min(capabilities.parallel, PACKS // LEAST))
    capacity = min(CAPACITY, capabilities.object_size, PACKS // packs)
    if packs > PACKS // CAPACITY:
        capacity = min(capacity, total // packs)
    capacity = max(LEAST, capacity)
    return Shape(packs, capacity, capacity >> 14)
