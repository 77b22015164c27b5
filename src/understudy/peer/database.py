"""The file that says who may reach this site's vault. It is no cache: damaged, nobody is let in, and nothing is begun anew."""

import os
import pwd
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.errors import AccessDenied, StateFailed
from understudy.peer.permits import Permits

FILE = "registry.sqlite"
_BUSY = 20.0
"""Seconds to wait for another process that writes; it does so for milliseconds."""

_STEPS = (
    """
    CREATE TABLE peers (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        prefix TEXT NOT NULL,
        maintenance INTEGER NOT NULL,
        quota INTEGER NOT NULL,
        used INTEGER NOT NULL DEFAULT 0,
        secret TEXT NOT NULL,
        public_key TEXT NOT NULL DEFAULT '',
        invited_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        joined_at INTEGER NOT NULL DEFAULT 0,
        revoked_at INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE objects (
        peer TEXT NOT NULL,
        name TEXT NOT NULL,
        charge INTEGER NOT NULL,
        stored INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (peer, name)
    ) WITHOUT ROWID;
    CREATE INDEX objects_name ON objects (name);
    """,
    """
    CREATE INDEX objects_doubt ON objects (peer, at) WHERE stored = 0;
    """,
    """
    ALTER TABLE peers ADD COLUMN permit INTEGER NOT NULL DEFAULT 0;
    """,
    """
    ALTER TABLE peers ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
    UPDATE peers SET adopted = 1 WHERE joined_at != 0;
    """,
)
"""Each brings the file from one version to the next; user_version counts them."""


class Database:
    """One connection, for one thread at a time. Blocks. Any number of processes may have one."""

    def __init__(self, directory: Path) -> None:
        """`directory`: made if missing. `StateFailed`; `AccessDenied` if it is another user's, who could not use what this one writes."""
        self._path = directory / FILE
        self.permits = Permits(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            owner = directory.stat().st_uid
            if owner != os.geteuid():
                raise AccessDenied(f"{directory} belongs to {_user(owner)}", hint=f"run this as {_user(owner)}, as whom the daemon runs")
            self._connection = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
            try:
                self._path.chmod(0o600)
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._bring_up()
            except BaseException:
                self._connection.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable at its end; nothing of it stays if something is raised. Inside of another one, durable with that."""
        inside = self._connection.in_transaction
        begin, commit, undo = ("SAVEPOINT one", "RELEASE one", "ROLLBACK TO one") if inside else ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
        try:
            self._connection.execute(begin)
            try:
                yield self._connection
                self._connection.execute(commit)
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute(undo)
                    if inside:
                        self._connection.execute(commit)
                raise
        except sqlite3.Error as error:
            raise self._failed(error) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Sees what was durable, and waits for nobody."""
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _bring_up(self) -> None:
        with self.writing() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > len(_STEPS):
                raise StateFailed(
                    f"{self._path} was written by a newer understudy (its version is {version}, this one knows {len(_STEPS)})",
                    hint="go back to that version",
                )
            for number, step in enumerate(_STEPS[version:], version + 1):
                for statement in step.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")

    def _failed(self, error: Exception) -> StateFailed:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = "free space in the state directory; if the file is damaged, put its directory back from a copy: without it no peer is let in"
        return StateFailed(f"{self._path}: {reason}", hint=hint)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
