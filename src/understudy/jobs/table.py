"""Jobs in the file: a row is the whole job as it was told last."""

import sqlite3
from collections.abc import Sequence

import msgspec

from understudy.engine import Job, JobQuery, JobState
from understudy.errors import NotFound

ENDED: tuple[JobState, ...] = ("succeeded", "failed", "cancelled")
_MOST = 1000


def add_job(connection: sqlite3.Connection, job: Job, key: str) -> Job:
    """`job`, or the one that the same actor was given for the same key before."""
    if key:
        row = connection.execute("SELECT body FROM jobs WHERE actor = ? AND key = ?", (job.actor, key)).fetchone()
        if row is not None:
            return msgspec.json.decode(row[0], type=Job)
    connection.execute(
        "INSERT INTO jobs (id, state, machine, actor, key, ended_at, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (job.id, job.state, job.machine, job.actor, key, job.ended_at, msgspec.json.encode(job)),
    )
    return job


def put_job(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute(
        "UPDATE jobs SET state = ?, ended_at = ?, body = ? WHERE id = ?", (job.state, job.ended_at, msgspec.json.encode(job), job.id)
    )


def restore_job(connection: sqlite3.Connection, job: Job) -> bool:
    """Whether there was none of its id."""
    fresh = connection.execute("SELECT 1 FROM jobs WHERE id = ?", (job.id,)).fetchone() is None
    if fresh:
        add_job(connection, job, "")
    else:
        put_job(connection, job)
    return fresh


def read_job(connection: sqlite3.Connection, id_: str) -> Job:
    row = connection.execute("SELECT body FROM jobs WHERE id = ?", (id_,)).fetchone()
    if row is None:
        raise NotFound(f"there is no job {id_!r}", hint="`understudy jobs` lists them; those that ended long ago are forgotten")
    return msgspec.json.decode(row[0], type=Job)


def read_jobs(connection: sqlite3.Connection, query: JobQuery) -> tuple[Job, ...]:
    """Newest first."""
    where: list[str] = ["1"]
    values: list[str | int] = []
    if query.machine is not None:
        where.append("machine = ?")
        values.append(query.machine)
    if query.states:
        where.append(f"state IN ({', '.join('?' * len(query.states))})")
        values.extend(query.states)
    if query.before is not None:
        where.append("number < (SELECT number FROM jobs WHERE id = ?)")
        values.append(read_job(connection, query.before).id)
    rows = connection.execute(
        f"SELECT body FROM jobs WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?", (*values, min(max(query.limit, 0), _MOST))
    )
    return tuple(msgspec.json.decode(body, type=Job) for (body,) in rows)


def unfinished(connection: sqlite3.Connection) -> Sequence[Job]:
    """Oldest first."""
    rows = connection.execute(f"SELECT body FROM jobs WHERE state NOT IN ({', '.join('?' * len(ENDED))}) ORDER BY number", ENDED)
    return [msgspec.json.decode(body, type=Job) for (body,) in rows.fetchall()]


def prune_jobs(connection: sqlite3.Connection, before: int, most: int) -> int:
    """Forget jobs that ended before `before` (wall-clock ns), and of the ended ones all but the newest `most`; how many."""
    edge = connection.execute(
        "SELECT number FROM jobs WHERE ended_at IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?", (most,)
    ).fetchone()
    return connection.execute(
        "DELETE FROM jobs WHERE ended_at IS NOT NULL AND (ended_at < ? OR number <= ?)", (before, edge[0] if edge else 0)
    ).rowcount
