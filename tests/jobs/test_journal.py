"""Jobs and events: durable when told, bounded, and a file that may be lost."""

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from understudy.engine import Event, EventQuery, Job, JobQuery
from understudy.errors import Conflict, NotFound, Overloaded, StateFailed
from understudy.jobs.bus import QUEUE, Bus
from understudy.jobs.events import Draft
from understudy.jobs.journal import Journal


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Journal]:
    journal = Journal(path)
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


def job(id_: str, **fields: object) -> Job:
    plain = Job(
        id=id_, kind="verify", machine="m1", parameters={"level": "digest"}, actor="root", state="pending", created_at=time.time_ns()
    )
    return msgspec.structs.replace(plain, **fields)


def said(message: str, **fields: object) -> Draft:
    return msgspec.structs.replace(Draft(kind="machine.cycle", severity="info", message=message), **fields)


async def test_jobs_outlive_the_process_that_was_told_of_them(tmp_path: Path) -> None:
    async with opened(tmp_path / "j") as journal:
        await journal.add(job("1"), "")
        await journal.put(job("1", state="running", attempts=1))
        async with opened(tmp_path / "j") as other:
            assert [(one.id, one.state, one.attempts) for one in await other.unfinished()] == [("1", "running", 1)]


async def test_a_key_gives_the_same_job_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "j") as journal:
        assert (await journal.add(job("1"), "key"))[1] is True
        again, fresh = await journal.add(job("2"), "key")
        assert (again.id, fresh) == ("1", False)
        assert (await journal.add(job("3", actor="eve"), "key"))[1] is True, "another's keys are their own"
        with pytest.raises(Conflict, match="job 1"):
            await journal.add(job("4", parameters={"level": "scrub"}), "key")
        with pytest.raises(NotFound):
            await journal.job("2")


async def test_jobs_are_listed_newest_first_and_page_by_page(tmp_path: Path) -> None:
    async with opened(tmp_path / "j") as journal:
        for number in range(5):
            await journal.add(job(str(number), machine=f"m{number % 2}", state="failed" if number == 4 else "pending"), "")
        assert [one.id for one in await journal.jobs(JobQuery(limit=2))] == ["4", "3"]
        assert [one.id for one in await journal.jobs(JobQuery(limit=2, before="3"))] == ["2", "1"]
        assert [one.id for one in await journal.jobs(JobQuery(machine="m1"))] == ["3", "1"]
        assert [one.id for one in await journal.jobs(JobQuery(states=("failed",)))] == ["4"]


async def test_what_ended_long_ago_is_forgotten_and_what_runs_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path / "j") as journal:
        now = time.time_ns()
        for id_, ended in (("old", now - 10**12), ("new", now), ("runs", None)):
            await journal.add(job(id_, ended_at=ended), "")
        await journal.told(said("old", at=now - 10**12))
        await journal.told(said("new", at=now))
        await journal.prune(jobs_for=500, events_for=500)
        assert {one.id for one in await journal.jobs(JobQuery())} == {"new", "runs"}
        assert [one.message for one in await journal.events(EventQuery())] == ["new"]


async def test_who_asked_for_what_is_kept_beside_very_many_cycles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("understudy.jobs.journal.MOST_EVENTS", 10)
    async with opened(tmp_path / "j") as journal:
        await journal.told(said("a request", kind="request"))
        for number in range(30):
            await journal.told(said(str(number), kind="machine.cycle"))
        await journal.prune(jobs_for=500, events_for=500)
        kept = [one.message for one in await journal.events(EventQuery())]
        assert kept == ["a request", "25", "26", "27", "28", "29"]


async def test_events_are_numbered_upwards_even_after_the_file_is_lost(tmp_path: Path) -> None:
    async with opened(tmp_path / "j") as journal:
        for number in range(50):
            await journal.told(said(str(number)))
        before = await journal.events(EventQuery(limit=1000))
    assert [one.id for one in before] == sorted({one.id for one in before})
    assert (before[0].message, before[-1].message) == ("0", "49")
    await asyncio.sleep(0.1)
    (tmp_path / "j").unlink()
    async with opened(tmp_path / "j") as journal:
        await journal.told(said("again"))
        after = await journal.events(EventQuery())
    assert after[0].id > before[-1].id


async def test_events_are_found_by_machine_kind_and_number(tmp_path: Path) -> None:
    async with opened(tmp_path / "j") as journal:
        for number in range(6):
            await journal.told(said(str(number), machine=f"m{number % 2}", kind="a" if number < 3 else "b"))
        every = await journal.events(EventQuery())
        assert [one.message for one in await journal.events(EventQuery(limit=2))] == ["4", "5"]
        assert [one.message for one in await journal.events(EventQuery(after=every[1].id, limit=2))] == ["2", "3"]
        assert [one.message for one in await journal.events(EventQuery(machine="m1", kinds=("b",)))] == ["3", "5"]
        assert [one.message for one in await journal.events(EventQuery(machine="m1", without=("b",)))] == ["1"]


@pytest.mark.parametrize("damage", [b"", b"garbage" * 1000, None])
async def test_a_damaged_file_is_moved_aside_and_said(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "j"
    async with opened(path) as journal:
        for number in range(200):
            await journal.told(said(f"{number}" * 100))
    data = bytearray(path.read_bytes())
    if damage is None:
        data[4096:-4096] = bytes(len(data) - 8192)
    path.write_bytes(data if damage is None else damage)
    async with opened(path) as journal:
        await journal.told(said("goes on"))
        told = [one.kind for one in await journal.events(EventQuery())]
    aside = [name for name in os.listdir(tmp_path) if name.startswith("j.damaged-")]
    assert len(aside) == (0 if damage == b"" else 1)
    assert told == ["daemon.jobs-lost"] * len(aside) + ["machine.cycle"]


async def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path / "j"):
        pass
    with sqlite3.connect(tmp_path / "j") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StateFailed, match="newer"):
        await Journal(tmp_path / "j").open()


async def test_a_follower_misses_nothing_and_sees_nothing_twice(tmp_path: Path) -> None:
    async with opened(tmp_path / "j") as journal:
        writer = asyncio.create_task(journal.run())
        for number in range(700):
            journal.tell("machine.cycle", "info", str(number))

        async def more() -> None:
            for number in range(700, 1000):
                journal.tell("machine.cycle", "info", str(number))
                await asyncio.sleep(0)

        teller = asyncio.create_task(more())
        seen: list[str] = []
        async with asyncio.timeout(30), aclosing(journal.follow(0)) as told:
            async for what in told:
                assert isinstance(what, Event)
                seen.append(what.message)
                if len(seen) == 1000:
                    break
        assert seen == [str(number) for number in range(1000)]
        await teller
        writer.cancel()


async def test_a_reader_that_is_too_slow_is_ended() -> None:
    telling = Bus()
    with telling.listening() as slow, telling.listening() as quick:
        for number in range(QUEUE + 2):
            telling.tell(job(str(number)))
            await anext(quick.read())
        with pytest.raises(Overloaded):
            await anext(slow.read())
