"""A standby's images for a machine that is started here: what they are worth, brought to the point in time or not at all, and lent."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.test_standby import There, silent
from tests.local.test_standby import there as there
from understudy import engine
from understudy.errors import Conflict, NotFound, TargetFailed
from understudy.local.retaining import holds_of
from understudy.local.standby import lending
from understudy.local.standby.keeping import attach, detach, reclaimed, standby_paused
from understudy.local.standby.lending import Behind, Lent, Ready, Unfit, brought, given_back, lent, looked, processed, processed_here
from understudy.vault.maps.points import PointEntry


def entry_of(there: There, point: str) -> PointEntry:
    return next(entry for entry in there.log.state.points if entry.point.id.hex() == point)


async def behind(there: There) -> PointEntry:
    """The newest point; its standby is at the one before."""
    await there.create()
    await there.follow()
    there.world.scribble(3)
    point = await there.world.cycle()
    await there.log.refresh()
    return entry_of(there, point)


async def test_is_brought_to_the_point_and_lent_to_one(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await behind(there)
    about = there.vault, there.log, there.site, entry
    assert await looked(*about, "run 1") == Behind(entry.point.stats.changed * 4096)
    assert await lent(*about, "run 1") == Lent(words=f"its standby image is not at point {entry.seq}")
    with monkeypatch.context() as hurried:
        hurried.setattr(lending, "LIMIT", 0.0)
        with pytest.raises(TargetFailed, match="was not brought to point"):
            await brought(*about, silent)
    # What was given up goes on: it is known where it stands, and nothing is read as a whole.
    assert isinstance(await looked(*about, "run 1"), Behind)
    told: list[engine.Progress] = []
    await brought(*about, told.append)
    assert {now.phase.split()[0] for now in told} == {"write"}
    assert await looked(*about, "run 1") == Ready()
    for _ in range(2):
        given = await lent(*about, "run 1")
        assert given == Lent({name: str(there.images / f"{name}.raw") for name in ("vda", "vdb")})
    assert there.holds(entry.point.id.hex())
    assert [hold.point for hold in holds_of(there.log.state)] == [entry.point.id.hex()]
    assert await lent(*about, "run 2") == Lent(words="its standby image is in use: run 1")
    with pytest.raises(Conflict, match="in use"):
        await brought(*about, silent)
    for by in ("run 2", "run 1", "run 1"):
        await given_back(there.vault, there.log, there.site, by)
        assert there.standby.detached == ("run 1" if by == "run 2" else "")
    assert holds_of(there.log.state) == ()
    # Whoever had it is no more, and could not say so.
    await lent(*about, "run 3")
    asked: list[str] = []

    async def needed(by: str) -> bool:
        asked.append(by)
        return len(asked) == 1

    for state in ("run 3", "", ""):
        await reclaimed(there.vault, there.log, there.site, needed)
        assert there.standby.detached == state
    assert asked == ["run 3", "run 3"]
    assert holds_of(there.log.state) == ()


async def test_is_left_alone_where_it_is_of_no_use(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await behind(there)

    async def why() -> str:
        found = await looked(there.vault, there.log, there.site, entry, "run 1")
        assert isinstance(found, Unfit)
        assert await lent(there.vault, there.log, there.site, entry, "run 1") == Lent(words=found.words)
        return found.words

    with monkeypatch.context() as slow:
        slow.setattr(lending, "RATE", 1)
        assert "more than is waited for" in await why()
    await standby_paused(there.vault, there.log, there.site, True)
    assert await why() == "its standby is paused"
    await standby_paused(there.vault, there.log, there.site, False)
    await detach(there.vault, there.log, there.site, "a drill")
    assert await why() == "its standby image is in use: a drill"
    await attach(there.vault, there.log, there.site)
    there.world.scribble(1)
    await there.world.cycle()
    await there.follow()
    assert f"ahead of point {entry.seq}" in await why()
    await touch(there)
    assert f"not known what its standby image {there.images}/vda.raw holds: it was touched" in await why()
    (there.images / "vda.raw").unlink()
    assert "holds: it is not there yet" in await why()


async def touch(there: There) -> None:
    with (there.images / "vda.raw").open("r+b") as file:
        file.write(b"precious")


async def test_which_point_is_processed(there: There) -> None:
    with pytest.raises(NotFound, match="no standby image on this site"):
        await processed_here(there.vault, there.log, there.site)
    newest = await behind(there)
    first = entry_of(there, there.world.points[0])
    assert await processed_here(there.vault, there.log, there.site) == first
    # In the midst of a step it is the one that the step leads to.
    stop: Callable[[engine.Progress], Any] = lambda now: step.cancel() if now.done else None  # noqa: E731
    step = asyncio.create_task(brought(there.vault, there.log, there.site, newest, stop))
    with pytest.raises(asyncio.CancelledError):
        await step
    assert there.standby.point == ""
    assert processed(there.standby, there.log.state) == newest
    await touch(there)
    with pytest.raises(NotFound, match="not known which point"):
        await processed_here(there.vault, there.log, there.site)
