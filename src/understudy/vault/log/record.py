"""A log record's bytes: sealed, signed, and bound to its vault, its log and its place there."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from understudy.errors import IntegrityError, InvalidRequest, Unsupported
from understudy.vault.access import Access
from understudy.vault.box import OVERHEAD, seal, unseal
from understudy.vault.kinds import BODIES, Body
from understudy.vault.malformed import MALFORMED

MAGIC = b"USLOG\0\1\0"
MAX_RECORD = 64 << 10
HASH_SIZE = 32

_MISUSED = "the key that signed it is in wrong hands: remove that key (vault key remove), and the record counts no more"

_encoder = msgspec.msgpack.Encoder(order="deterministic")


class Head(NamedTuple):
    """The last record of a log as far as it is known: its number and the hash of its object. (0, zeros): an empty log."""

    seq: int = 0
    hash: bytes = bytes(HASH_SIZE)


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every record says, whatever its kind."""

    kind: str
    skip: bool
    """A reader that does not know the kind may go on without it."""
    epoch: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    writer: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    prev: Annotated[bytes, msgspec.Meta(min_length=HASH_SIZE, max_length=HASH_SIZE)]
    """Hash of the record before; zeros in the first."""
    at: int
    """Wall clock, nanoseconds; for people only."""
    data: msgspec.Raw


class _Signed(msgspec.Struct, frozen=True, kw_only=True):
    signer: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    signature: Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
    body: bytes


_signed = msgspec.msgpack.Decoder(_Signed)
_envelope = msgspec.msgpack.Decoder(Envelope)
_bodies = {kind: msgspec.msgpack.Decoder(body) for kind, body in BODIES.items()}


@dataclass(frozen=True, slots=True)
class Opened:
    """A record that was sealed by a holder of the index key. Whether it counts is another question."""

    seq: int
    hash: bytes
    before: bytes
    """Hash of the object that really is before it; empty if that cannot be told (`salvage`)."""
    signer: bytes
    """Empty if the signature is missing or wrong."""
    payload: bytes
    """What was signed; empty without a signature."""


def record_hash(data: bytes) -> bytes:
    return blake2b(data, digest_size=HASH_SIZE).digest()


def seal_record(access: Access, owner: str, head: Head, key: SigningKey, body: Body, *, epoch: int, writer: bytes, at: int) -> bytes:
    """The object for the slot after `head`. `InvalidRequest` for one that no reader would take: it would end the log."""
    encoded = _encoder.encode(body)
    try:
        msgspec.msgpack.decode(encoded, type=type(body))
    except MALFORMED as error:
        raise InvalidRequest(f"a {body.kind} record cannot say this: {error}") from error
    envelope = Envelope(kind=body.kind, skip=body.skippable, epoch=epoch, writer=writer, prev=head.hash, at=at, data=msgspec.Raw(encoded))
    payload = _encoder.encode(envelope)
    seq = head.seq + 1
    signature = key.sign(_to_sign(access, owner, seq, payload)).signature
    plaintext = _encoder.encode(_Signed(signer=bytes(key.verify_key), signature=signature, body=payload))
    data = MAGIC + seal(access.secrets.log, _context(access, owner, seq), plaintext)
    if len(data) > MAX_RECORD:
        raise InvalidRequest(f"a {body.kind} record of {len(data)} bytes is too large", hint="bodies beyond 64 KiB go into side objects")
    return data


def open_record(access: Access, owner: str, seq: int, before: bytes, data: bytes) -> Opened:
    """`IntegrityError` unless the object was sealed, by somebody with the index key, for exactly this place."""
    plaintext = None
    if len(MAGIC) + OVERHEAD <= len(data) <= MAX_RECORD and data.startswith(MAGIC):
        plaintext = unseal(access.secrets.log, _context(access, owner, seq), data[len(MAGIC) :])
    if plaintext is None:
        raise IntegrityError(
            f"record {seq} of {owner} is not what was written there: damaged, truncated or from another place",
            hint="restore this object from a copy of the vault; if it never was a record, an operator may delete it",
        )
    signer, payload = b"", b""
    try:
        signed = _signed.decode(plaintext)
        VerifyKey(signed.signer).verify(_to_sign(access, owner, seq, signed.body), signed.signature)
        signer, payload = signed.signer, signed.body
    except (*MALFORMED, BadSignatureError):
        pass
    return Opened(seq, record_hash(data), before, signer, payload)


def decode_envelope(opened: Opened, owner: str) -> Envelope:
    """`IntegrityError` if its signer, whom the caller trusts, wrote something malformed or meant for another chain."""
    try:
        envelope = _envelope.decode(opened.payload)
    except MALFORMED as error:
        raise IntegrityError(f"record {opened.seq} of {owner} is malformed: {error}", hint=_MISUSED) from error
    if opened.before and envelope.prev != opened.before:
        raise IntegrityError(
            f"record {opened.seq} of {owner} does not follow record {opened.seq - 1}: one of the two was exchanged",
            hint="the vault was mixed with another copy of itself, or a key that may write here is in wrong hands (revoke it)",
        )
    return envelope


def decode_body(envelope: Envelope, seq: int, owner: str) -> Body | None:
    """The typed body; None for an unknown kind that may be skipped, `Unsupported` for one that may not."""
    decoder = _bodies.get(envelope.kind)
    if decoder is None:
        if envelope.skip:
            return None
        raise Unsupported(
            f"record {seq} of {owner} is a {envelope.kind[:40]!r}, which this version does not know",
            hint="use a newer understudy; if none writes to this vault, " + _MISUSED,
        )
    try:
        return decoder.decode(envelope.data)
    except MALFORMED as error:
        raise IntegrityError(f"record {seq} of {owner}, a {envelope.kind}, is malformed: {error}", hint=_MISUSED) from error


def _context(access: Access, owner: str, seq: int) -> bytes:
    return b"understudy-record\0" + bytes.fromhex(access.vault_id) + owner.encode() + b"\0" + seq.to_bytes(8, "little")


def _to_sign(access: Access, owner: str, seq: int, payload: bytes) -> bytes:
    return b"understudy-signed\0" + bytes.fromhex(access.vault_id) + owner.encode() + b"\0" + seq.to_bytes(8, "little") + payload
