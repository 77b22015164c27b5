"""Does a record count? From its signature and the settings log alone; what its epoch says is the fold's to decide."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from understudy.vault.keys.identity import Role
from understudy.vault.kinds import Body
from understudy.vault.log.record import Opened, decode_body, decode_envelope
from understudy.vault.log.rights import Log, refusal


class Standing(NamedTuple):
    """What a signer may pass for at one place. `role` None: nothing that it signs there counts, for `reason`."""

    role: Role | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a log. Void ones stay in the chain and change nothing."""

    seq: int
    hash: bytes
    signer: bytes
    role: Role | None
    """Its signer's; None if void."""
    kind: str
    """Empty where it cannot be told."""
    epoch: int
    writer: bytes
    at: int
    body: Body | None
    """None if void, or of an unknown kind that may be skipped."""
    void: str = ""
    """Why it does not count; empty if it does."""


class Void(NamedTuple):
    """A record that does not count, and why."""

    seq: int
    kind: str
    reason: str


def judge(opened: Opened, owner: str, log: Log, standing: Callable[[bytes, int], Standing]) -> Record:
    """`standing` tells of a public key at a sequence number.

    Whoever has the index key can seal anything, so what no trusted key has signed proves nothing and is passed over. What one has
    signed must be well-formed and follow the record before: `IntegrityError`, or `Unsupported` for a kind of a later version.
    """
    if not opened.signer:
        return _void(opened, "", "its signature is missing or wrong")
    role, reason = standing(opened.signer, opened.seq)
    if role is None:
        return _void(opened, "", reason)
    envelope = decode_envelope(opened, owner)
    reason = refusal(envelope.kind, log, role)
    if reason:
        return _void(opened, envelope.kind, reason)
    body = decode_body(envelope, opened.seq, owner)
    return Record(opened.seq, opened.hash, opened.signer, role, envelope.kind, envelope.epoch, envelope.writer, envelope.at, body)


def _void(opened: Opened, kind: str, reason: str) -> Record:
    return Record(opened.seq, opened.hash, opened.signer, None, kind, 0, b"", 0, None, reason)
