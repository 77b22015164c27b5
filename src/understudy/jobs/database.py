"""One SQLite file, a connection that writes and one that reads. It is a cache: damaged, it is moved aside and begun anew."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from understudy.errors import StateFailed

T = TypeVar("T")
Work: TypeAlias = Callable[[sqlite3.Connection], T]

_STEPS = (
    """
    CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        machine TEXT,
        actor TEXT NOT NULL,
        key TEXT NOT NULL,
        ended_at INTEGER,
        body BLOB NOT NULL
    );
    CREATE UNIQUE INDEX jobs_key ON jobs (actor, key) WHERE key != '';
    CREATE INDEX jobs_state ON jobs (state);
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        machine TEXT,
        body BLOB NOT NULL
    );
    CREATE INDEX events_machine ON events (machine, id);
    """,
)
"""Each brings the file from one version to the next; user_version counts them."""


class Database:
    """`moved`: where a file that could not be read was moved to, empty if none was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="jobs-read")
        self._connection: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self.moved = ""

    async def open(self) -> None:
        """`StateFailed` if the directory cannot be written, or the file is of a newer version."""
        await self._in_thread(self._open, self._thread)

    async def run(self, work: Work[T]) -> T:
        """`work` in one transaction, durable when this returns; nothing of it stays if it raises. `StateFailed` if the file fails."""
        return await self._in_thread(partial(self._transact, work), self._thread)

    async def read(self, work: Work[T]) -> T:
        """`work`, which changes nothing, on what was durable by now. It waits for no write: those wait for the disk."""
        return await self._in_thread(partial(self._look, work), self._reader)

    async def close(self) -> None:
        """Everything that was asked for before is done first."""
        for connection, thread in ((self._reading, self._reader), (self._connection, self._thread)):
            if connection is not None:
                await self._in_thread(connection.close, thread)
            thread.shutdown()
        self._connection = self._reading = None

    async def _in_thread(self, call: Callable[[], T], thread: ThreadPoolExecutor) -> T:
        # A transaction is short, and goes to its end whether or not somebody still waits for it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(thread, call))

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                self._connection = self._connected()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._move_aside()
                self._connection = self._connected()
            self._reading = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._reading.execute("PRAGMA query_only = ON")
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("it is damaged")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(_STEPS):
                raise StateFailed(
                    f"{self._path} was written by a newer understudy (its version is {version}, this one knows {len(_STEPS)})",
                    hint="go back to that version, or move the file away: jobs and events that are over are forgotten then, nothing else",
                )
            for number, step in enumerate(_STEPS[version:], version + 1):
                connection.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT")
        except BaseException:
            connection.close()
            raise
        self._path.chmod(0o600)
        return connection

    def _move_aside(self) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged-{time.time_ns()}")
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).unlink()
        for old in sorted(self._path.parent.glob(f"{self._path.name}.damaged-*"))[:-3]:
            old.unlink(missing_ok=True)
        self.moved = str(aside)

    def _look(self, work: Work[T]) -> T:
        if self._reading is None:
            raise StateFailed(f"{self._path} is closed")
        try:
            self._reading.execute("BEGIN")
            try:
                return work(self._reading)
            finally:
                self._reading.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _transact(self, work: Work[T]) -> T:
        if self._connection is None:
            raise StateFailed(f"{self._path} is closed")
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return result

    def _failed(self, error: Exception) -> StateFailed:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return StateFailed(f"{self._path}: {reason}", hint="free space in the state directory; if the file is damaged, restart the daemon")
