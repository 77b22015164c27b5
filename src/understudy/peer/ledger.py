"""What each peer stored and is still there, in bytes: what is not certain counts. Every method blocks for the disk, in one transaction.

An object is charged before it is stored. So whatever kills this process, nothing is in the store that nobody is charged for.
"""

import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

from understudy.engine import units
from understudy.errors import AccessDenied, OverQuota, StoreUnavailable
from understudy.peer.chroot import whole_name
from understudy.peer.database import Database
from understudy.store.protocol import ObjectInfo

OVERHEAD = 1024
"""Bytes that an object is charged beside its own, so that empty ones are not free."""


class QuotaHeld(StoreUnavailable):
    """There would be room but for what is on its way, or in doubt. Nothing was stored."""


class Charged(NamedTuple):
    """`name`: in the served store. `before`: whether this peer may have stored it earlier, without having heard of it."""

    peer: str
    name: str
    charge: int
    before: bool


class Doubt(NamedTuple):
    """What a peer is charged for, and nobody knows whether it is there. `at`: when it was tried last; nanoseconds."""

    peer: str
    name: str
    at: int


class Row(NamedTuple):
    name: str
    stored: bool
    at: int


class Ledger:
    """In the same file as the registry. Names are whole names in the served store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def must_have_room(self, peer: str, name: str, size: int) -> None:
        """`OverQuota` before anything is sent that could not be stored. `name` may be charged for already: then for what is more alone."""
        with self._database.reading() as connection:
            more = size + OVERHEAD - (_charge_of(connection, peer, name) or 0)
            if more > 0:
                _must_have_room(connection, peer, more)

    def charge(self, peer: str, name: str, size: int) -> Charged:
        """Before it is stored: `name` as the peer calls it. `AccessDenied` if the peer was revoked meanwhile, `OverQuota` if that is more
        than it may have, `InvalidRequest` if nothing may be called so."""
        wanted = size + OVERHEAD
        with self._database.writing() as connection:
            columns = "revoked_at, prefix, permit, name"
            revoked, prefix, permit, called = connection.execute(f"SELECT {columns} FROM peers WHERE id = ?", (peer,)).fetchone()
            if revoked or (permit and not self._database.permits.has(called, peer)):
                raise AccessDenied("this site has revoked this peer")
            whole = whole_name(prefix, name)
            before = _charge_of(connection, peer, whole)
            charged = before or 0
            if wanted > charged:
                _must_have_room(connection, peer, wanted - charged)
            _put(connection, peer, whole, max(wanted, charged), charged)
            return Charged(peer, whole, wanted, before is not None)

    def stored(self, charged: Charged) -> None:
        """It was created: whoever stored one of this name before has it no more."""
        with self._database.writing() as connection:
            _is_stored(connection, charged.peer, charged.name, charged.charge)
            _drop(connection, charged.name, but=charged.peer)

    def not_stored(self, charged: Charged) -> None:
        """It certainly was not, by this attempt: another object has the name, or the store refused it. One before it stays in doubt."""
        if charged.before:
            return
        with self._database.writing() as connection:
            _remove(connection, charged.peer, "name = ? AND stored = 0", charged.name)

    def failed(self, charged: Charged) -> None:
        """Whether it was stored is in doubt from now on. If one of this name was deleted meanwhile, this one is charged for anew."""
        with self._database.writing() as connection:
            if connection.execute("SELECT 1 FROM objects WHERE name = ?", (charged.name,)).fetchone() is None:
                _put(connection, charged.peer, charged.name, charged.charge, 0)
            values = (time.time_ns(), charged.peer, charged.name)
            connection.execute("UPDATE objects SET at = ? WHERE peer = ? AND name = ? AND stored = 0", values)

    def doubts(self, peer: str | None, most: int) -> list[Doubt]:
        """Of one peer or all, those under way included; the oldest of each peer first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT peer, name, at FROM objects INDEXED BY objects_doubt WHERE stored = 0 AND (? IS NULL OR peer = ?) "
                "ORDER BY peer, at LIMIT ?",
                (peer, peer, most),
            ).fetchall()
        return [Doubt(*row) for row in rows]

    def found(self, doubt: Doubt, size: int) -> None:
        """It is there: this peer's, unless another one is known to have stored it."""
        with self._database.writing() as connection:
            values = (doubt.name, doubt.peer)
            if connection.execute("SELECT 1 FROM objects WHERE name = ? AND peer != ? AND stored = 1", values).fetchone():
                _remove(connection, doubt.peer, "name = ? AND stored = 0 AND at = ?", doubt.name, doubt.at)
            else:
                _is_stored(connection, doubt.peer, doubt.name, size + OVERHEAD)

    def missing(self, doubt: Doubt) -> None:
        """It is not there, and will not be, unless it was tried again since."""
        with self._database.writing() as connection:
            _remove(connection, doubt.peer, "name = ? AND stored = 0 AND at = ?", doubt.name, doubt.at)

    def adopt(self, peer: str, infos: Sequence[ObjectInfo], *, whole: str | None = None) -> None:
        """These are there, below the peer's own prefix: its own, but for what other peers that are let in are charged for.
        `whole`: with them all that was there is, below this prefix."""
        with self._database.writing() as connection:
            for info in infos:
                values = (info.name,)
                living = "SELECT 1 FROM objects JOIN peers ON peers.id = objects.peer WHERE objects.name = ? AND revoked_at = 0"
                if not connection.execute(living, values).fetchone():
                    _is_stored(connection, peer, info.name, info.size + OVERHEAD)
                    _drop(connection, info.name, but=peer)
            if whole is not None:
                # Not where it was given another prefix meanwhile.
                connection.execute("UPDATE peers SET adopted = 1 WHERE id = ? AND prefix = ?", (peer, whole))

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
        """These were seen not to be there, and nothing was charged for them since. What was in doubt stays so."""
        with self._database.writing() as connection:
            for row in rows:
                if row.stored:
                    _remove(connection, peer, "name = ? AND at = ?", row.name, row.at)


def inherit(connection: sqlite3.Connection, peer: str) -> None:
    """One that was revoked and comes back is charged for what it had stored, as far as its prefix reaches."""
    former = "SELECT old.id FROM peers AS old JOIN peers AS new ON new.name = old.name WHERE new.id = ?1 AND old.revoked_at != 0"
    root = connection.execute("SELECT CASE prefix WHEN '' THEN '' ELSE prefix || '/' END FROM peers WHERE id = ?", (peer,)).fetchone()[0]
    which = f"peer IN ({former}) AND substr(name, 1, length(?2)) = ?2"
    emptied = [row[0] for row in connection.execute(f"SELECT DISTINCT peer FROM objects WHERE {which}", (peer, root))]
    # Where two of them are charged for one name, once is enough.
    connection.execute(f"UPDATE OR REPLACE objects SET peer = ?1 WHERE {which}", (peer, root))
    for one in (*emptied, peer):
        total = "SELECT COALESCE(SUM(charge), 0) FROM objects WHERE peer = ?1"
        connection.execute(f"UPDATE peers SET used = ({total}) WHERE id = ?1", (one,))


def _must_have_room(connection: sqlite3.Connection, peer: str, more: int) -> None:
    quota, used = connection.execute("SELECT quota, used FROM peers WHERE id = ?", (peer,)).fetchone()
    if not quota or used + more <= quota:
        return
    doubts = "SELECT COALESCE(SUM(charge), 0) FROM objects INDEXED BY objects_doubt WHERE peer = ? AND stored = 0"
    held = connection.execute(doubts, (peer,)).fetchone()[0]
    stored = f"{units.size(used - held)} of {units.size(quota)} are stored"
    if used - held + more > quota:
        raise OverQuota(
            f"the quota is used up: {stored}, and this takes {units.size(more)}",
            hint="free space by retention and collection, or ask the serving site for more: `understudy peer limit NAME --quota SIZE`",
        )
    raise QuotaHeld(
        f"the quota is held: {stored}, {units.size(held)} are on their way or in doubt, and this takes {units.size(more)}",
        hint="it is tried again: what failed counts until the serving site has seen that it is not there",
    )


def _charge_of(connection: sqlite3.Connection, peer: str, name: str) -> int | None:
    row = connection.execute("SELECT charge FROM objects WHERE peer = ? AND name = ?", (peer, name)).fetchone()
    return int(row[0]) if row else None


def _put(connection: sqlite3.Connection, peer: str, name: str, charge: int, before: int) -> None:
    connection.execute(
        "INSERT INTO objects (peer, name, charge, stored, at) VALUES (?, ?, ?, 0, ?) "
        "ON CONFLICT (peer, name) DO UPDATE SET charge = excluded.charge, at = excluded.at",
        (peer, name, charge, time.time_ns()),
    )
    connection.execute("UPDATE peers SET used = used + ? WHERE id = ?", (charge - before, peer))


def _is_stored(connection: sqlite3.Connection, peer: str, name: str, charge: int) -> None:
    """Whatever was charged for it before, or nothing: another attempt of the same name may have been told that it exists, before this one
    was that it is its own."""
    _put(connection, peer, name, charge, _charge_of(connection, peer, name) or 0)
    connection.execute("UPDATE objects SET stored = 1 WHERE peer = ? AND name = ?", (peer, name))


def _remove(connection: sqlite3.Connection, peer: str, which: str, *values: object) -> None:
    row = connection.execute(f"DELETE FROM objects WHERE peer = ? AND {which} RETURNING charge", (peer, *values)).fetchone()
    if row:
        connection.execute("UPDATE peers SET used = used - ? WHERE id = ?", (row[0], peer))


def _drop(connection: sqlite3.Connection, name: str, but: str = "") -> None:
    rows = connection.execute("DELETE FROM objects WHERE name = ? AND peer != ? RETURNING peer, charge", (name, but)).fetchall()
    for peer, charge in rows:
        connection.execute("UPDATE peers SET used = used - ? WHERE id = ?", (charge, peer))
