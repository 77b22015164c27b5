"""Events in the file. Ids follow the clock, so that none is used twice even when the file was lost."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from understudy.engine import Event, EventQuery, Severity
from understudy.engine.values import Value

_MILLISECOND = 1_000_000
_MOST = 1000


class Draft(Value, frozen=True):
    """An event that has no number yet."""

    kind: str
    severity: Severity
    message: str
    at: int = msgspec.field(default_factory=time.time_ns)
    machine: str | None = None
    job: str | None = None
    actor: str = ""
    data: dict[str, Any] = msgspec.field(default_factory=dict)


def add_events(connection: sqlite3.Connection, drafts: Sequence[Draft]) -> list[Event]:
    last = last_event(connection)
    events = []
    for draft in drafts:
        last = max(last + 1, draft.at // _MILLISECOND)
        events.append(Event(id=last, **msgspec.structs.asdict(draft)))
    connection.executemany(
        "INSERT INTO events (id, at, kind, machine, body) VALUES (?, ?, ?, ?, ?)",
        [(event.id, event.at, event.kind, event.machine, msgspec.json.encode(event)) for event in events],
    )
    return events


def last_event(connection: sqlite3.Connection) -> int:
    """Its id; 0 without any."""
    found: int = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
    return found


def read_events(connection: sqlite3.Connection, query: EventQuery) -> tuple[Event, ...]:
    """Oldest first."""
    where: list[str] = ["1"]
    values: list[str | int] = []
    if query.after is not None:
        where.append("id > ?")
        values.append(query.after)
    if query.machine is not None:
        where.append("machine = ?")
        values.append(query.machine)
    for kinds, words in ((query.kinds, "IN"), (query.without, "NOT IN")):
        if kinds:
            where.append(f"kind {words} ({', '.join('?' * len(kinds))})")
            values.extend(kinds)
    order = "DESC" if query.after is None else "ASC"
    rows = connection.execute(
        f"SELECT body FROM events WHERE {' AND '.join(where)} ORDER BY id {order} LIMIT ?", (*values, min(max(query.limit, 0), _MOST))
    ).fetchall()
    events = [msgspec.json.decode(body, type=Event) for (body,) in rows]
    return tuple(reversed(events) if query.after is None else events)


def prune_events(connection: sqlite3.Connection, before: int, most: int) -> int:
    """Forget events from before `before` (wall-clock ns), and all but the newest `most`; how many. The newest one always stays.

    Cycles, of which there are many, go first: they leave half of the room to all others, so to who asked for what.
    """
    last = last_event(connection)
    done = 0
    for which, room in (("kind = 'machine.cycle'", most // 2), ("1", most)):
        edge = connection.execute(f"SELECT id FROM events WHERE {which} ORDER BY id DESC LIMIT 1 OFFSET ?", (room,)).fetchone()
        done += connection.execute(
            f"DELETE FROM events WHERE {which} AND id < ? AND (at < ? OR id <= ?)", (last, before, edge[0] if edge else 0)
        ).rowcount
    connection.execute("PRAGMA incremental_vacuum(1000)").fetchall()
    return done
