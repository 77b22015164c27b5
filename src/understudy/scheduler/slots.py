"""Which of the machines that are due may begin: the nearest deadline first, in bounded number and memory."""

from collections.abc import Sequence
from typing import NamedTuple

LONG = 20.0
"""A cycle that takes, or has taken, longer (seconds) is a slow one."""
HEAVY = 96 << 20
"""Memory of a cycle that moves much: 4 buffers of 4 MiB, 4 packs of 16 MiB, and what their encoders need."""
LIGHT = 24 << 20
"""Of one that moves next to nothing."""


class Ready(NamedTuple):
    """A machine whose cycle is due. `deadline`: when its RPO is lost unless it begins by then; `weight`: memory, in bytes."""

    machine: str
    deadline: float
    slow: bool
    weight: int
    express: bool = False
    """An operator waits for it."""


class Running(NamedTuple):
    machine: str
    began: float
    slow: bool
    weight: int


def weight(stored: Sequence[int], initial: bool) -> int:
    """Bytes of memory that a machine's next cycle may take, by what its last ones stored; all it can if nothing is known."""
    if initial or not stored:
        return HEAVY
    return min(HEAVY, LIGHT + 2 * max(stored[-3:]))


def choose(ready: Sequence[Ready], running: Sequence[Running], now: float, cycles: int, memory: int) -> list[Ready]:
    """Those that begin now.

    `cycles` at once, beside as many that have run for LONG already: however many machines are read in full, the others go on.
    Slow ones leave a slot to the others from the start. One that does not fit into `memory` waits; alone it always fits.
    """
    chosen: list[Ready] = []
    young = sum(now - one.began <= LONG for one in running)
    crawling = sum(now - one.began <= LONG and one.slow for one in running)
    slow = sum(one.slow or now - one.began > LONG for one in running)
    used = sum(one.weight for one in running)
    count = len(running)
    for one in sorted(ready, key=lambda one: (not one.express, one.deadline, one.machine)):
        if young >= cycles or count >= 2 * cycles or (count and used + one.weight > memory):
            continue
        if one.slow and (slow >= cycles or crawling >= max(1, cycles - 1)):
            continue
        chosen.append(one)
        young, crawling, slow, used, count = young + 1, crawling + one.slow, slow + one.slow, used + one.weight, count + 1
    return chosen
