"""What each peer stored and is still there, in bytes: what is not certain counts. Every method blocks for the disk, in one transaction.

An object is charged before it is stored. So whatever kills this process, nothing is in the store that nobody is charged for.
"""

import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

from understudy.errors import AccessDenied, StoreUnavailable
from understudy.peer.chroot import whole_name
from understudy.peer.database import Database

OVERHEAD = 1024
"""Bytes that an object is charged beside its own, so that empty ones are not free."""

_DAY = 86_400_000_000_000


class OverQuota(StoreUnavailable):
    """Nothing was stored. It may be later: quotas are raised, and objects collected."""


class Charged(NamedTuple):
    """`name`: in the served store. `before`: whether this peer may have stored it earlier, without having heard of it."""

    peer: str
    name: str
    charge: int
    before: bool


class Row(NamedTuple):
    name: str
    stored: bool
    at: int


class Ledger:
    """In the same file as the registry. Names are whole names in the served store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def must_have_room(self, peer: str, size: int) -> None:
        """`OverQuota` before anything is sent that could not be stored."""
        with self._database.reading() as connection:
            _must_have_room(connection, peer, size + OVERHEAD)

    def charge(self, peer: str, name: str, size: int) -> Charged:
        """Before it is stored: `name` as the peer calls it. `AccessDenied` if the peer was revoked meanwhile, `OverQuota` if that is more
        than it may have, `InvalidRequest` if nothing may be called so."""
        wanted = size + OVERHEAD
        with self._database.writing() as connection:
            revoked, prefix = connection.execute("SELECT revoked_at, prefix FROM peers WHERE id = ?", (peer,)).fetchone()
            if revoked:
                raise AccessDenied("this site has revoked this peer")
            whole = whole_name(prefix, name)
            row = connection.execute("SELECT charge FROM objects WHERE peer = ? AND name = ?", (peer, whole)).fetchone()
            charged = row[0] if row else 0
            if wanted > charged:
                _must_have_room(connection, peer, wanted - charged)
            _put(connection, peer, whole, max(wanted, charged), charged)
            return Charged(peer, whole, wanted, row is not None)

    def stored(self, charged: Charged) -> None:
        """It was created: whoever stored one of this name before has it no more."""
        with self._database.writing() as connection:
            values = (charged.peer, charged.name)
            if not connection.execute("UPDATE objects SET stored = 1 WHERE peer = ? AND name = ?", values).rowcount:
                # Another attempt of the same name was told that it exists, before this one was that it is its own.
                _put(connection, *values, charged.charge, 0)
                connection.execute("UPDATE objects SET stored = 1 WHERE peer = ? AND name = ?", values)
            _drop(connection, charged.name, but=charged.peer)

    def not_stored(self, charged: Charged) -> None:
        """It certainly was not, by this attempt: another object has the name, or the store refused it."""
        if charged.before:
            return
        with self._database.writing() as connection:
            row = connection.execute(
                "DELETE FROM objects WHERE peer = ? AND name = ? AND stored = 0 RETURNING charge", (charged.peer, charged.name)
            ).fetchone()
            if row:
                connection.execute("UPDATE peers SET used = used - ? WHERE id = ?", (row[0], charged.peer))

    def deleted(self, name: str) -> None:
        with self._database.writing() as connection:
            _drop(connection, name)

    def page(self, peer: str, after: str, most: int) -> list[Row]:
        """What the peer is charged for, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, stored, at FROM objects WHERE peer = ? AND name > ? ORDER BY name LIMIT ?", (peer, after, most)
            ).fetchall()
        return [Row(name, bool(stored), at) for name, stored, at in rows]

    def gone(self, peer: str, rows: Sequence[Row]) -> None:
        """These were seen not to be there, and nothing was charged for them since. What was in doubt stays so for a day."""
        old = time.time_ns() - _DAY
        with self._database.writing() as connection:
            for row in rows:
                if row.stored or row.at < old:
                    found = connection.execute(
                        "DELETE FROM objects WHERE peer = ? AND name = ? AND at = ? RETURNING charge", (peer, row.name, row.at)
                    ).fetchone()
                    if found:
                        connection.execute("UPDATE peers SET used = used - ? WHERE id = ?", (found[0], peer))


def _must_have_room(connection: sqlite3.Connection, peer: str, more: int) -> None:
    quota, used = connection.execute("SELECT quota, used FROM peers WHERE id = ?", (peer,)).fetchone()
    if quota and used + more > quota:
        raise OverQuota(
            f"the quota is used up: {used} of {quota} bytes are stored, and this takes {more}",
            hint="free space by retention and collection, or ask the serving site for more: `understudy peer limit NAME --quota SIZE`",
        )


def _put(connection: sqlite3.Connection, peer: str, name: str, charge: int, before: int) -> None:
    connection.execute(
        "INSERT INTO objects (peer, name, charge, stored, at) VALUES (?, ?, ?, 0, ?) "
        "ON CONFLICT (peer, name) DO UPDATE SET charge = excluded.charge, at = excluded.at",
        (peer, name, charge, time.time_ns()),
    )
    connection.execute("UPDATE peers SET used = used + ? WHERE id = ?", (charge - before, peer))


def _drop(connection: sqlite3.Connection, name: str, but: str = "") -> None:
    rows = connection.execute("DELETE FROM objects WHERE name = ? AND peer != ? RETURNING peer, charge", (name, but)).fetchall()
    for peer, charge in rows:
        connection.execute("UPDATE peers SET used = used - ? WHERE id = ?", (charge, peer))
