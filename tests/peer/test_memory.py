import asyncio
from functools import partial

import pytest

from understudy.errors import StoreRefused, StoreUnavailable
from understudy.peer.memory import Memory
from understudy.peer.spans import Spans


async def test_no_peer_has_more_than_its_share() -> None:
    memory = Memory(10, 6)
    first = await memory.take("a", 6)
    waiting = asyncio.create_task(memory.take("a", 1))
    await memory.take("b", 4)
    assert not waiting.done()
    memory.give_back(first)
    await waiting
    assert (memory.taken("a"), memory.taken()) == (1, 5)
    with pytest.raises(StoreRefused):
        await memory.take("a", 7)


async def test_who_waits_longest_is_served_first_and_who_gives_up_holds_up_nobody() -> None:
    memory = Memory(10, 10, patience=0.01)
    await memory.take("a", 8)
    with pytest.raises(StoreUnavailable, match="busy"):
        await memory.take("b", 5)
    memory = Memory(10, 10)
    first = await memory.take("a", 8)
    large, small = asyncio.create_task(memory.take("b", 5)), asyncio.create_task(memory.take("c", 2))
    await asyncio.sleep(0)
    assert not small.done()
    large.cancel()
    second = await small
    memory.give_back(first)
    memory.give_back(second)
    # Once is enough.
    memory.give_back(second)
    assert memory.taken() == 0


async def test_what_is_granted_to_who_was_cancelled_is_free_again() -> None:
    memory = Memory(10, 10)
    first = await memory.take("a", 10)
    waiting = asyncio.create_task(memory.take("b", 10))
    await asyncio.sleep(0)
    memory.give_back(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert memory.taken() == 0


async def test_who_has_nothing_is_served_before_who_has_more_already() -> None:
    memory = Memory(12, 12)
    holds = [await memory.take("a", 6), await memory.take("a", 6)]
    more, other = asyncio.create_task(memory.take("a", 6)), asyncio.create_task(memory.take("b", 6))
    await asyncio.sleep(0)
    memory.give_back(holds[0])
    await other
    assert not more.done()
    memory.give_back(holds[1])
    await more


async def test_who_has_more_than_its_part_gives_what_moves_slowest_to_who_has_less() -> None:
    memory = Memory(12, 6, grace=0.05)
    holds = {name: [await memory.take(name, 2) for _ in range(3)] for name in ("a", "b")}
    for name, mine in holds.items():
        for number, hold in enumerate(mine):
            hold.moved = 1000 * number + (name == "b")
            hold.give_up = partial(memory.give_back, hold)
    # What nobody can give up is not counted on.
    holds["a"][0].give_up = None
    taken = await memory.take("c", 4)
    assert {name: memory.taken(name) for name in "abc"} == {"a": 4, "b": 4, "c": 4}
    assert holds["a"][0].moved == 0
    # All have their part now: nobody takes more of it.
    waiting = asyncio.create_task(memory.take("c", 1))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    memory.give_back(taken)
    await waiting


def test_spans() -> None:
    spans = Spans(100)
    assert spans.missing == ((0, 100),)
    for begin, end in ((10, 20), (30, 40), (20, 20), (15, 31), (90, 100), (0, 5)):
        spans.add(begin, end)
    assert spans.missing == ((5, 10), (40, 90))
    assert not spans.whole
    spans.add(0, 100)
    assert spans.whole
    assert spans.missing == ()
    assert Spans(0).whole
