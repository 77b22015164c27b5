"""Reads and writes of the file beside each other."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from understudy.errors import StateFailed
from understudy.jobs.database import Database


def _count(connection: sqlite3.Connection) -> int:
    return connection.execute("SELECT count(*) FROM events").fetchone()[0]


def _add(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO events (at, kind, body) VALUES (0, 'x', '')")


async def test_who_reads_waits_for_no_write(tmp_path: Path) -> None:
    database, go_on, begun = Database(tmp_path / "j"), threading.Event(), threading.Event()
    await database.open()
    await database.run(_add)

    def slowly(connection: sqlite3.Connection) -> None:
        _add(connection)
        begun.set()
        go_on.wait()

    writing = asyncio.create_task(database.run(slowly))
    await asyncio.to_thread(begun.wait)
    try:
        assert await database.read(_count) == 1, "what is not durable is not shown"
        assert not writing.done()
    finally:
        go_on.set()
        await writing
    assert await database.read(_count) == 2, "what is durable is shown at once"
    await database.close()


async def test_who_reads_changes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "j")
    await database.open()
    with pytest.raises(StateFailed, match="readonly"):
        await database.read(_add)
    assert await database.read(_count) == 0
    await database.close()
