import asyncio

import pytest

from understudy.errors import StoreRefused, StoreUnavailable
from understudy.peer.memory import Memory
from understudy.peer.spans import Spans


async def test_no_peer_has_more_than_its_share() -> None:
    memory = Memory(10, 6)
    await memory.take("a", 6)
    waiting = asyncio.create_task(memory.take("a", 1))
    await memory.take("b", 4)
    assert not waiting.done()
    memory.give_back("a", 6)
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
    await memory.take("a", 8)
    large, small = asyncio.create_task(memory.take("b", 5)), asyncio.create_task(memory.take("c", 2))
    await asyncio.sleep(0)
    assert not small.done()
    large.cancel()
    await small
    memory.give_back("a", 8)
    memory.give_back("c", 2)
    assert memory.taken() == 0


async def test_what_is_granted_to_who_was_cancelled_is_free_again() -> None:
    memory = Memory(10, 10)
    await memory.take("a", 10)
    waiting = asyncio.create_task(memory.take("b", 10))
    await asyncio.sleep(0)
    memory.give_back("a", 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert memory.taken() == 0


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
