"""Single zero blocks go with the data around them: what is written holds the same, in fewer calls and no more than twice the room."""

from collections.abc import AsyncGenerator

import numpy as np
import pytest

from understudy import extents as ext
from understudy.model import BLOCK_SIZE, NO_EXTENTS, Bytes, Extents
from understudy.pages import Buffers
from understudy.recovery.filling import filled, lone
from understudy.recovery.progress import Meter
from understudy.recovery.transfer import apply, onto_sparse, over

BLOCKS = 600


def ignore(*_: object) -> None:
    pass


class Content:
    """A disk of which each block of data holds its number; told of in pieces of some blocks that lie anywhere."""

    def __init__(self, data: Extents, rng: np.random.Generator) -> None:
        self._data, self._rng = data, rng
        self.blocks = np.zeros((BLOCKS, BLOCK_SIZE), dtype=np.uint8)
        numbers = ext.block_numbers(data)
        self.blocks[numbers] = (numbers % 255 + 1).astype(np.uint8)[:, np.newaxis]

    def data(self) -> Extents:
        return self._data

    async def stream(self, extents: Extents, buffers: Buffers) -> AsyncGenerator[tuple[Extents, Bytes], None]:
        numbers = ext.block_numbers(extents)
        pack = self._rng.integers(0, 3, len(numbers))
        for index in range(3):
            mine = numbers[pack == index]
            if len(mine):
                place = ext.runs(np.ones(len(mine), dtype=np.bool_), np.stack([mine, np.ones_like(mine)], axis=1))
                buffer = buffers.take(len(mine) * BLOCK_SIZE)
                buffer[:] = self.blocks[mine].reshape(-1)
                yield place, buffer


class Recorded:
    """A target; `calls`: what was written, a run of blocks each."""

    def __init__(self, blocks: Bytes) -> None:
        self.blocks = blocks
        self.calls: list[tuple[int, int]] = []

    async def write(self, extents: Extents, data: Bytes) -> None:
        self.calls += map(tuple, extents.tolist())
        self.blocks[ext.block_numbers(extents)] = data.reshape(-1, BLOCK_SIZE)

    async def write_zeroes(self, extents: Extents) -> None:
        self.blocks[ext.block_numbers(extents)] = 0


def some(rng: np.random.Generator, part: float) -> Extents:
    return ext.runs(rng.random(BLOCKS) < part, ext.whole(BLOCKS))


@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
async def test_a_sparse_target_holds_the_same_in_fewer_calls(seed: int, part: float) -> None:
    rng = np.random.default_rng(seed)
    content = Content(some(rng, part), rng)
    target = Recorded(np.zeros((BLOCKS, BLOCK_SIZE), dtype=np.uint8))
    change = onto_sparse(content, roomy=True)
    await apply(change, content, target, Meter(ignore, "write", "vda", 0))
    assert np.array_equal(target.blocks, content.blocks)
    assert sum(count for _, count in target.calls) <= 2 * change.blocks
    for first, count in target.calls:
        inside = content.blocks[first : first + count, 0] != 0
        assert inside[0]
        assert inside[-1]
        assert np.all(inside[1:] | inside[:-1]), "single zero blocks alone"


def test_of_every_second_block_one_call_is_made() -> None:
    every = np.stack([np.arange(0, BLOCKS, 2), np.ones(BLOCKS // 2, dtype=np.int64)], axis=1)
    content = Content(every, np.random.default_rng(1))
    extents = content.data()
    data = np.ascontiguousarray(content.blocks[::2]).reshape(-1)
    wide, out = filled(extents, data, lone(extents), Buffers(BLOCKS * BLOCK_SIZE))
    assert wide.tolist() == [[0, BLOCKS - 1]]
    assert np.array_equal(out.reshape(-1, BLOCK_SIZE), content.blocks[:-1])


@pytest.mark.parametrize("seed", range(5))
async def test_a_target_that_holds_something_is_written_where_it_differs_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = Content(some(rng, 0.5), rng)
    held = rng.integers(1, 256, (BLOCKS, BLOCK_SIZE), dtype=np.uint8)
    changed = some(rng, 0.4)
    target = Recorded(held.copy())
    await apply(over(changed, content, BLOCKS), content, target, Meter(ignore, "write", "vda", 0))
    numbers = ext.block_numbers(changed)
    held[numbers] = content.blocks[numbers]
    assert np.array_equal(target.blocks, held)


def test_what_is_not_known_to_be_zero_is_not_written() -> None:
    extents = np.array([[0, 1], [2, 1], [4, 1]], dtype=np.int64)
    data = np.ones(3 * BLOCK_SIZE, dtype=np.uint8)
    wide, out = filled(extents, data, np.array([[3, 1]], dtype=np.int64), Buffers(1 << 20))
    assert wide.tolist() == [[0, 1], [2, 3]]
    assert out.reshape(-1, BLOCK_SIZE)[:, 0].tolist() == [1, 1, 0, 1]
    assert filled(extents, data, NO_EXTENTS, Buffers(1 << 20))[1] is data


def test_pieces_in_any_order_stay_in_it() -> None:
    extents = np.array([[10, 1], [12, 2], [5, 1], [3, 1], [7, 1]], dtype=np.int64)
    data = np.repeat(np.array([10, 12, 13, 5, 3, 7], dtype=np.uint8), BLOCK_SIZE)
    zero = np.array([[4, 1], [6, 1], [11, 1]], dtype=np.int64)
    wide, out = filled(extents, data, zero, Buffers(1 << 20))
    found = dict(zip(ext.block_numbers(wide).tolist(), out.reshape(-1, BLOCK_SIZE)[:, 0].tolist(), strict=True))
    assert found == {10: 10, 11: 0, 12: 12, 13: 13, 5: 5, 3: 3, 7: 7}
