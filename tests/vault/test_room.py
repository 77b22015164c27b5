"""Memory that several share."""

import asyncio

from understudy.vault.room import Room


async def test_who_comes_first_is_served_first_and_who_gives_up_frees_the_way() -> None:
    room, order, ends = Room(10), list[str](), asyncio.Event()

    async def hold(name: str, size: int) -> None:
        async with room.held(size):
            order.append(name)
            await ends.wait()

    async with asyncio.TaskGroup() as running:
        for name, size in (("first", 6), ("large", 50), ("small", 1)):
            waiting = running.create_task(hold(name, size), name=name)
            await asyncio.sleep(0)
            if name == "large":
                large = waiting
        assert order == ["first"], "a small one does not pass one that needs everything"
        large.cancel()
        await asyncio.wait([large])
        await asyncio.sleep(0)
        assert order == ["first", "small"]
        ends.set()
    async with asyncio.timeout(10), room.held(50):
        order.append("all")
    assert order[-1] == "all"
