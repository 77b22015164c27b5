"""How a cycle's packs are cut, by what the store can do."""

from dataclasses import replace

import pytest

from understudy.model import BLOCK_SIZE
from understudy.native import capi
from understudy.native.encode import bounds
from understudy.replication.shape import LEAST, PACKS, enough, shape_for
from understudy.store.protocol import Capabilities
from understudy.vault.packs.pack import CAPACITY

MIB, GIB = 1 << 20, 1 << 30
DISK = Capabilities("file")


@pytest.mark.parametrize(
    ("parallel", "object_size", "total", "packs", "capacity"),
    [
        (4, 32 * MIB, GIB, 4, 16 * MIB),
        (4, 32 * MIB, 4096, 4, 16 * MIB),
        (1, 32 * MIB, GIB, 1, 16 * MIB),
        (8, 32 * MIB, GIB, 8, 8 * MIB),
        (16, 32 * MIB, GIB, 16, 4 * MIB),
        (16, 32 * MIB, 35 * MIB, 16, 40 * MIB // 16),
        (16, 32 * MIB, 70 * MIB, 16, 40 * MIB // 16),
        (16, 32 * MIB, 4096, 16, MIB),
        (1000, 32 * MIB, GIB, 64, MIB),
        (4, 8 * MIB, GIB, 4, 8 * MIB),
        (4, 1, GIB, 4, MIB),
    ],
)
def test_shapes(parallel: int, object_size: int, total: int, packs: int, capacity: int) -> None:
    shape = shape_for(replace(DISK, parallel=parallel, object_size=object_size), total)
    assert shape[:2] == (packs, capacity)


@pytest.mark.parametrize("parallel", range(1, 64))
@pytest.mark.parametrize("total", [BLOCK_SIZE, 37 * MIB, GIB])
def test_all_packs_together_fit_and_each_takes_several_units(parallel: int, total: int) -> None:
    shape = shape_for(replace(DISK, parallel=parallel), total)
    assert shape.packs * shape.capacity <= PACKS
    assert LEAST <= shape.capacity <= CAPACITY
    for suite in capi.suites():
        assert 2 * bounds(suite, shape.unit)[0] <= shape.capacity


def test_a_pack_goes_when_as_many_as_are_worth_it_have_their_part_of_what_is_found() -> None:
    far = shape_for(replace(DISK, parallel=16), GIB)
    assert enough(far, 3 * MIB, 0.01) == 300 * MIB // 16
    assert enough(far, 4 * MIB, 0.5) == LEAST
    near = shape_for(DISK, GIB)
    assert enough(near, 3 * MIB, 0.01) == near.capacity
