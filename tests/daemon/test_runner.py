"""Jobs whose ends could not be written down."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from tests.waiting import until
from understudy.daemon import runner as runners
from understudy.daemon.runner import Runner
from understudy.engine import StartJob
from understudy.errors import StateFailed
from understudy.jobs.journal import Journal


async def test_what_has_ended_is_not_begun_again_by_the_next_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state directory was full when it ended, and was not any more when the next daemon began."""
    monkeypatch.setattr(runners, "OWED_AGAIN", 0.01)
    journal, full = Journal(tmp_path / "jobs.sqlite"), asyncio.Event()
    await journal.open()
    put = journal.put

    async def refused(job: Any) -> None:
        if full.is_set():
            raise StateFailed("there is no room")
        await put(job)

    class Doer:
        again = False

        def of(self, own: Any) -> "Doer":
            return self

        @property
        def failovers(self) -> Any:
            full.set()
            raise StateFailed("there is no room")

    monkeypatch.setattr(journal, "put", refused)
    async with asyncio.TaskGroup() as tasks:
        runner = Runner(journal, cast(Any, Doer()), tasks)
        runner.open()
        job = await runner.start(StartJob(kind="cancel-failover", machine="m", parameters={}, actor="root"), "m" * 32)
        await until(lambda: not runner.has(job.id))
        # Whoever asks is told, though the file says that it runs.
        assert (await journal.job(job.id)).state == "running"
        assert runner.live(await journal.job(job.id)).state == "failed"
        full.clear()
        await until(lambda: not runner._owed)
        assert (await journal.job(job.id)).state == "failed"
        runner.end()
    assert await journal.unfinished() == []
    await journal.close()


async def test_a_daemon_ends_though_there_is_no_room(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "jobs.sqlite")
    await journal.open()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        runner = Runner(journal, cast(Any, None), tasks)
        runner._owed["x"] = cast(Any, None)
        runner._paying = tasks.create_task(runner._pay())
        await asyncio.sleep(0)
        runner.end()
    await journal.close()
