"""Who may reach this site's vault, and what each may do there. Every method blocks for the disk, and is one transaction."""

import hmac
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from secrets import token_hex, token_urlsafe
from typing import NamedTuple

import msgspec

from understudy.engine import Peer, PeerLimits, PeerState, checked_name
from understudy.errors import AccessDenied, Conflict, InvalidRequest, NotFound, StateFailed
from understudy.pairing.key import VALID, hashed
from understudy.peer.database import Database
from understudy.peer.ledger import inherit
from understudy.store.names import check_name

_NANOSECONDS = 1_000_000_000
_LIVING = ("invited", "joined")
_ANEW = "make a new one there: `understudy peer invite NAME`"
_COME_BACK = "there: `understudy peer invite NAME`; here: `understudy peer join --again -`, with the key that it prints"
_COLUMNS = "id, name, prefix, maintenance, quota, used, invited_at, expires_at, joined_at, revoked_at, permit"


class Invited(NamedTuple):
    peer: Peer
    secret: str


class Admission(NamedTuple):
    """`first`: whether it joined by this, and not before."""

    peer: Peer
    first: bool


class Registry:
    """In a directory of this site. Any number of processes may have one open, each for one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self.database = Database(directory)
        self._permits = self.database.permits
        with suppress(StateFailed):
            # Where nothing can be written, what was written counts, and what was withdrawn.
            self.catch_up()

    def close(self) -> None:
        self.database.close()

    def invite(self, name: str, limits: PeerLimits, now: int | None = None) -> Invited:
        """A new peer, who may join by the secret. `Conflict` if there is one of this name."""
        now = time.time_ns() if now is None else now
        checked_name("peer", name)
        checked_limits(limits)
        secret, identity = token_urlsafe(32), token_hex(8)
        # Before the row: who has none could not be revoked on a full disk. One without a row lets nobody in.
        self._permits.give(name, identity)
        try:
            return Invited(self._enter(identity, name, limits, secret, now), secret)
        except BaseException:
            self._permits.withdraw(identity)
            raise

    def _enter(self, identity: str, name: str, limits: PeerLimits, secret: str, now: int) -> Peer:
        with self.database.writing() as connection:
            known = self._named(connection, name, now)
            if known is not None and known.state in _LIVING:
                raise Conflict(f"there is a peer {name!r}: {known.state}", hint=f"choose another name, or `understudy peer revoke {name}`")
            peer = Peer(
                id=identity,
                name=name,
                state="invited",
                limits=limits,
                used=0,
                invited_at=now,
                expires_at=now + int(VALID * _NANOSECONDS),
                joined_at=0,
                revoked_at=0,
            )
            # Those that have expired would live again beside this one if the clock were put back.
            over = "UPDATE peers SET revoked_at = ? WHERE name = ? AND revoked_at = 0 RETURNING id"
            for (former,) in connection.execute(over, (now, name)).fetchall():
                self._permits.withdraw(former)
            values = (peer.id, name, *msgspec.structs.astuple(limits), hashed(secret), peer.invited_at, peer.expires_at)
            connection.execute(
                "INSERT INTO peers (id, name, prefix, maintenance, quota, secret, invited_at, expires_at, permit) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
                values,
            )
            return peer

    def must_know(self, peer: str, secret: str) -> None:
        """`AccessDenied` if no registration key has this secret."""
        with self.database.reading() as connection:
            row = connection.execute("SELECT secret FROM peers WHERE id = ?", (peer,)).fetchone()
        if row is None or not hmac.compare_digest(row[0], hashed(secret)):
            raise AccessDenied("this site does not know this registration key", hint=f"is it one of another site? Else {_ANEW}")

    def register(self, peer: str, secret: str, public_key: str, now: int | None = None) -> Admission:
        """The one who has the secret joins, with this key (a hash of it), once; in its time the same one may ask again, who did not hear
        the answer. `AccessDenied` says what is wrong with the secret."""
        now = time.time_ns() if now is None else now
        self.must_know(peer, secret)
        with self.database.writing() as connection:
            row = connection.execute("SELECT public_key FROM peers WHERE id = ?", (peer,)).fetchone()
            found = self._one(connection, peer, now)
            if found.state == "revoked":
                raise AccessDenied(f"this registration key of {found.name!r} was revoked", hint=_ANEW)
            if found.state == "joined" and row[0] != public_key:
                raise AccessDenied(
                    f"this registration key of {found.name!r} was used already",
                    hint=f"each lets one site in, once; if nobody of yours used it: `understudy peer revoke {found.name}` there; {_ANEW}",
                )
            if found.state == "expired" or now >= found.expires_at:
                raise AccessDenied(f"this registration key of {found.name!r} has expired: it was valid for five days", hint=_ANEW)
            if found.state == "invited":
                connection.execute("UPDATE peers SET public_key = ?, joined_at = ? WHERE id = ?", (public_key, now, peer))
                inherit(connection, peer)
            return Admission(self._one(connection, peer, now), found.state == "invited")

    def admitted(self, peer: str) -> Peer:
        """Who asks, by the id in a certificate of ours. `AccessDenied` if it was revoked, or is not known."""
        with self.database.reading() as connection:
            found = self._found(connection, peer, time.time_ns())
        if found is None:
            raise AccessDenied("this site does not know this peer", hint=_COME_BACK)
        if found.state != "joined":
            raise AccessDenied(f"this site has revoked the peer {found.name!r}", hint=f"if it is to come back: {_COME_BACK}")
        return found

    def peers(self) -> tuple[Peer, ...]:
        """By name; of one name the oldest first."""
        now = time.time_ns()
        with self.database.reading() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM peers ORDER BY name, rowid").fetchall()
        return tuple(self._peer(row, now) for row in rows)

    def not_adopted(self) -> tuple[Peer, ...]:
        """Those who are let in, and are not known to be charged for all that was below their prefixes when these became theirs."""
        now = time.time_ns()
        with self.database.reading() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM peers WHERE adopted = 0 AND joined_at != 0 AND revoked_at = 0").fetchall()
        return tuple(peer for peer in (self._peer(row, now) for row in rows) if peer.state == "joined")

    def revoked(self) -> frozenset[str]:
        """Their ids."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT id, name, permit, revoked_at FROM peers").fetchall()
        return frozenset(peer for peer, name, permit, revoked in rows if revoked or (permit and not self._permits.has(name, peer)))

    def limit(self, named: str, *, prefix: str | None = None, maintenance: bool | None = None, quota: int | None = None) -> Peer:
        """From its next request on; None: as it was. By its name or id. `NotFound`, `Conflict` if it was revoked."""
        now = time.time_ns()
        with self.database.writing() as connection:
            peer = self._living(connection, named, now)
            changes = {"prefix": prefix, "maintenance": maintenance, "quota": quota}
            limits = msgspec.structs.replace(peer.limits, **{key: value for key, value in changes.items() if value is not None})
            checked_limits(limits)
            values = (*msgspec.structs.astuple(limits), peer.id)
            # What is below another prefix already is to be counted as what was there when it joined.
            changed = "prefix = ?1, maintenance = ?2, quota = ?3, adopted = adopted AND prefix = ?1"
            connection.execute(f"UPDATE peers SET {changed} WHERE id = ?4", values)
            return self._one(connection, peer.id, now)

    def revoke(self, named: str) -> Peer:
        """It, or its registration key, is let in no more, also where nothing can be written. By its name or id.

        `NotFound`, `Conflict` if it was before.
        """
        now = time.time_ns()
        with self.database.reading() as connection:
            peer = self._living(connection, named, now)
        withdrawn = self._permits.withdraw(peer.id)
        try:
            with self.database.writing() as connection:
                connection.execute("UPDATE peers SET revoked_at = ? WHERE id = ?", (now, peer.id))
        except StateFailed:
            if not withdrawn:
                raise
        return msgspec.structs.replace(peer, state="revoked", revoked_at=now)

    def catch_up(self) -> None:
        """What was withdrawn is written down; who was let in before there were permits has one."""
        now = time.time_ns()
        with self.database.reading() as connection:
            rows = connection.execute("SELECT id, name, permit FROM peers WHERE revoked_at = 0").fetchall()
        behind = [(peer, name, permit) for peer, name, permit in rows if not (permit and self._permits.has(name, peer))]
        for peer, name, permit in behind:
            with self.database.writing() as connection:
                if permit:
                    connection.execute("UPDATE peers SET revoked_at = ? WHERE id = ? AND revoked_at = 0", (now, peer))
                elif connection.execute("UPDATE peers SET permit = 1 WHERE id = ? AND permit = 0 AND revoked_at = 0", (peer,)).rowcount:
                    self._permits.give(name, peer)

    def _living(self, connection: sqlite3.Connection, named: str, now: int) -> Peer:
        peer = self._found(connection, named, now) or self._named(connection, named, now)
        if peer is None:
            raise NotFound(f"there is no peer {named!r}", hint="`understudy peer list` shows all")
        if peer.state == "revoked":
            raise Conflict(f"the peer {named!r} was revoked", hint="`understudy peer invite` makes a new one of this name")
        return peer

    def _named(self, connection: sqlite3.Connection, name: str, now: int) -> Peer | None:
        """Of several of this name the one that counts: who may be let in, else the newest, whatever the clock said."""
        rows = connection.execute(f"SELECT {_COLUMNS} FROM peers WHERE name = ? ORDER BY rowid DESC", (name,)).fetchall()
        peers = [self._peer(row, now) for row in rows]
        return next((peer for peer in peers if peer.state in _LIVING), peers[0] if peers else None)

    def _found(self, connection: sqlite3.Connection, peer: str, now: int) -> Peer | None:
        row = connection.execute(f"SELECT {_COLUMNS} FROM peers WHERE id = ?", (peer,)).fetchone()
        return self._peer(row, now) if row else None

    def _one(self, connection: sqlite3.Connection, peer: str, now: int) -> Peer:
        found = self._found(connection, peer, now)
        assert found is not None
        return found

    def _peer(self, row: tuple[str, str, str, int, int, int, int, int, int, int, int], now: int) -> Peer:
        identity, name, prefix, maintenance, quota, used, invited, expires, joined, revoked, permit = row
        if permit and not revoked and not self._permits.has(name, identity):
            revoked = self._permits.last()
        state: PeerState = "revoked" if revoked else "joined" if joined else "expired" if now >= expires else "invited"
        return Peer(
            id=identity,
            name=name,
            state=state,
            limits=PeerLimits(prefix=prefix, maintenance=bool(maintenance), quota=quota),
            used=used,
            invited_at=invited,
            expires_at=expires,
            joined_at=joined,
            revoked_at=revoked,
        )


def checked_limits(limits: PeerLimits) -> PeerLimits:
    """`InvalidRequest` for a prefix that names cannot begin with."""
    if limits.prefix:
        check_name(limits.prefix)
    if not 0 <= limits.quota < 1 << 62:
        raise InvalidRequest(f"{limits.quota} bytes are no quota", hint="write a size such as 500GiB, or 0 for any")
    return limits
