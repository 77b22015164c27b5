"""Several machines as one: their points belong together, and the failure of one before the end leaves nothing of any."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.faults import Action, Fault
from tests.replication.trio import GROUP, NAMES, Trio
from understudy.errors import Fenced, InDoubt, SourceUnavailable, StoreUnavailable, UnderstudyError
from understudy.replication.cycle import Replicator
from understudy.replication.plan import Cause
from understudy.vault import kinds


@pytest.fixture
async def trio(tmp_path: Path) -> Trio:
    trio = Trio(tmp_path)
    trio.write("at first")
    await trio.create()
    return trio


async def test_points_of_one_instant_are_bound_to_each_other(trio: Trio) -> None:
    expected = []
    async with trio.group() as group:
        for text in ("one", "two", "three"):
            disks = trio.write(text)
            report = await group.cycle()
            assert report.members.keys() == set(NAMES)
            expected.append((report.id, disks))
    found = await trio.instants()
    assert [(instant.id, await trio.contents(instant)) for instant in found] == expected
    assert all(instant.complete and instant.name == GROUP for instant in found)
    assert all(sorted(trio.ids.values()) == list(instant.members) for instant in found)


async def test_initial_replications_end_in_the_first_instant(trio: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[str] = []
    prepare = Replicator.prepare

    async def watched(self: Replicator, *args: object) -> None:
        await prepare(self, *args)
        prepared.append(self.log.state.name)

    monkeypatch.setattr(Replicator, "prepare", watched)
    async with trio.group() as group:
        first, second = await group.cycle(), await group.cycle()
    assert {member.cause for member in first.members.values()} == {Cause.INITIAL}
    assert {member.cause for member in second.members.values()} == {Cause.DELTA}
    assert prepared == [*NAMES, *NAMES], "nobody waits in a freeze for another one's initial replication"


async def test_a_member_that_cannot_be_read_fails_the_instant_for_all(trio: Trio) -> None:
    async with trio.group() as group:
        await group.cycle()
        disks = trio.write("changed")
        away = trio.disk("db").rename(trio.root / "away")
        with pytest.raises(SourceUnavailable, match=r"^db: "):
            await group.cycle()
        assert len(await trio.instants()) == 1
        away.rename(trio.disk("db"))
        report = await group.cycle()
    (_, instant) = await trio.instants()
    assert instant.id == report.id
    assert await trio.contents(instant) == disks


async def test_a_pack_that_cannot_be_stored_fails_the_instant_for_all(trio: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.replication.upload.FIRST_DELAY", 0.001)
    monkeypatch.setattr("understudy.replication.pipeline.INLINE_LIMIT", 0)
    async with trio.group() as group:
        await group.cycle()
        disks = trio.write("changed")
        trio.schedule.append(Fault(Action.FAIL_BEFORE, "create", f"machines/{trio.ids['web']}/packs/*", times=-1))
        with pytest.raises(StoreUnavailable, match=r"^web: "):
            await group.cycle()
        trio.schedule.clear()
        assert len(await trio.instants()) == 1
        await group.cycle()
    (_, instant) = await trio.instants()
    assert await trio.contents(instant) == disks


async def test_a_member_that_was_failed_over_keeps_all_others_from_committing(trio: Trio) -> None:
    async with trio.group() as group:
        await group.cycle()
        async with trio.vault() as vault:
            await (await vault.find("app")).append(kinds.Failover(epoch=2, site="there"))
        with pytest.raises(Fenced, match=r"^app: "):
            await group.cycle()
    assert len(await trio.instants()) == 1


async def test_a_member_that_fails_last_leaves_an_instant_that_says_so(trio: Trio) -> None:
    """Between the check and the record nothing can be ruled out: the others' points exist, and are not offered as a whole."""
    async with trio.group() as group:
        await group.cycle()
        trio.schedule.append(Fault(Action.REFUSE, "create", f"machines/{trio.ids['web']}/log/*", times=1))
        with pytest.raises(UnderstudyError, match=r"^web: .*incomplete$"):
            await group.cycle()
        trio.schedule.clear()
        await group.cycle()
    first, second, third = await trio.instants()
    assert (first.complete, second.complete, third.complete) == (True, False, True)
    assert second.missing == (trio.ids["web"],)


async def test_records_in_doubt_become_whole_with_the_next_cycle(trio: Trio) -> None:
    async with trio.group() as group:
        await group.cycle()
        disks = trio.write("in doubt")
        trio.schedule.append(Fault(Action.FAIL_BEFORE, "create", "machines/*/log/*", times=-1))
        with pytest.raises(InDoubt):
            await group.cycle()
        trio.schedule.clear()
        trio.write("later")
        await group.cycle()
    _, doubted, _ = await trio.instants()
    assert doubted.complete
    assert await trio.contents(doubted) == disks


async def test_a_cycle_that_is_cancelled_anywhere_is_carried_by_the_next(trio: Trio) -> None:
    async with trio.group() as group:
        await group.cycle()
        for turns in (0, 3, 10, 30, 100, 300):
            disks = trio.write(f"cancelled after {turns} turns")
            cycle = asyncio.ensure_future(group.cycle())
            for _ in range(turns):
                await asyncio.sleep(0)
            cycle.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await cycle
            report = await group.cycle()
            newest = (await trio.instants())[-1]
            assert (newest.id, newest.complete) == (report.id, True)
            assert await trio.contents(newest) == disks
    assert all(instant.complete for instant in await trio.instants())
