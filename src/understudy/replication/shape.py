"""How large packs are, and how many are under way, by what their store can do. Pure."""

from typing import NamedTuple

from understudy.store.protocol import Capabilities
from understudy.vault.packs.pack import CAPACITY

PACKS = 64 << 20
"""Bytes of packs under way in one cycle, whatever the store: four of the largest."""
LEAST = 1 << 20
"""Bytes of the smallest full pack: enough to make a request worth its latency, and its cost, which is a fifth of what it costs to keep it
for a month."""

FEW = 4
"""Rounds of packs of which a last one that is nearly empty would be a large part."""


class Shape(NamedTuple):
    """`packs` under way at once, of `capacity` bytes of frames at most; `unit`: blocks that are read and encoded at a time. `spread`: a
    pack need not be full where they would not be as many then."""

    packs: int
    capacity: int
    unit: int
    spread: bool


def shape_for(capabilities: Capabilities, total: int) -> Shape:
    """`total`: bytes that are examined.

    Over a long link one connection carries little, however much room there is beside it: there as many packs go at once as are worth it,
    each as large as memory allows, and smaller where there is not enough for all. Otherwise larger ones take fewer requests.
    """
    packs = max(1, min(capabilities.parallel, PACKS // LEAST))
    capacity = min(CAPACITY, capabilities.object_size, PACKS // packs)
    spread = packs > PACKS // CAPACITY
    if spread:
        # The last unit never fits. All have their part of each round: 64 MiB in 18 packs, 16 at once, took as long as in 32 smaller ones.
        filled = max(1, total * 8 // 7)
        rounds = -(-filled // (packs * capacity))
        if rounds <= FEW:
            capacity = -(-filled // (packs * rounds))
    capacity = max(LEAST, capacity)
    return Shape(packs, capacity, capacity >> (15 if spread else 14), spread)


def enough(shape: Shape, sealed: int, done: float) -> int:
    """Bytes of frames with which a pack goes, when a cycle has found `sealed` in this part (0 to 1) of what it examines.

    Who examines everything, to find little, would fill few packs with it, one after the other: over 40 ms and 1 % of loss 12 MiB of 48
    took 12 s, as one connection does.
    """
    return max(LEAST, int(sealed / done / shape.packs)) if shape.spread and done else shape.capacity
