"""A record opens in its own place, unaltered, and nowhere else."""

import msgspec
import pytest

from tests.vault.worlds import a_point
from understudy.errors import IntegrityError, InvalidRequest, Unsupported
from understudy.vault import kinds, names
from understudy.vault.access import Access
from understudy.vault.keys.identity import first_operator
from understudy.vault.log.record import (
    MAGIC,
    MAX_RECORD,
    Head,
    decode_body,
    decode_envelope,
    open_record,
    record_hash,
    seal_record,
)

VAULT = b"v" * 16
OWNER = names.machine("ab" * 16)
BUNDLE = first_operator("op")
ACCESS = BUNDLE.access(VAULT)
HEAD = Head(6, b"p" * 32)
POINT = a_point(inline=b"some frames")


def sealed(body: kinds.Body = POINT, head: Head = HEAD, access: Access = ACCESS, owner: str = OWNER) -> bytes:
    return seal_record(access, owner, head, BUNDLE.signing_key, body, epoch=3, writer=b"w" * 16, at=5)


def test_round_trip() -> None:
    data = sealed()
    opened = open_record(ACCESS, OWNER, 7, HEAD.hash, data)
    assert (opened.seq, opened.hash, opened.signer) == (7, record_hash(data), BUNDLE.public)
    envelope = decode_envelope(opened, OWNER)
    assert (envelope.kind, envelope.skip, envelope.epoch, envelope.writer, envelope.at) == ("point", False, 3, b"w" * 16, 5)
    assert decode_body(envelope, 7, OWNER) == POINT


def test_nothing_readable_is_stored() -> None:
    data = sealed(kinds.Note(text="an unmistakable text"))
    assert b"unmistakable" not in data
    assert sealed(kinds.Note(text="an unmistakable text")) != data


def test_every_flipped_byte_and_every_truncation_is_refused() -> None:
    data = sealed(kinds.Note(text="x"))
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(IntegrityError, match="record 7 of machines/"):
            open_record(ACCESS, OWNER, 7, HEAD.hash, bytes(damaged))
        with pytest.raises(IntegrityError):
            open_record(ACCESS, OWNER, 7, HEAD.hash, data[:position])
    for extended in (data + b"\0", data + data, b"\0" + data, data + bytes(MAX_RECORD)):
        with pytest.raises(IntegrityError):
            open_record(ACCESS, OWNER, 7, HEAD.hash, extended)


def test_it_opens_in_its_own_place_only() -> None:
    data = sealed()
    for access, owner, seq in (
        (ACCESS, OWNER, 6),
        (ACCESS, OWNER, 8),
        (ACCESS, names.machine("ac" * 16), 7),
        (ACCESS, names.SETTINGS, 7),
        (BUNDLE.access(b"V" * 16), OWNER, 7),
        (first_operator("op").access(VAULT), OWNER, 7),
    ):
        with pytest.raises(IntegrityError):
            open_record(access, owner, seq, HEAD.hash, data)


def test_the_chain() -> None:
    opened = open_record(ACCESS, OWNER, 7, b"q" * 32, sealed())
    with pytest.raises(IntegrityError, match=r"record 7 .* does not follow record 6"):
        decode_envelope(opened, OWNER)


def test_a_wrong_signature_signs_nothing() -> None:
    """The holder of the index key may seal what it likes; who signed it is another matter."""
    data = sealed()
    other = first_operator("thief")
    from understudy.vault.box import seal, unseal

    context = b"understudy-record\0" + VAULT + OWNER.encode() + b"\0" + (7).to_bytes(8, "little")
    plain = unseal(ACCESS.secrets.log, context, data[len(MAGIC) :])
    assert plain is not None
    signed = msgspec.msgpack.decode(plain)
    for forged in (
        {**signed, "signer": other.public},
        {**signed, "signature": bytes(64)},
        {**signed, "body": signed["body"] + b"\0"},
        {**signed, "signature": b"short"},
        {"signer": signed["signer"]},
        [],
        None,
    ):
        stored = MAGIC + seal(ACCESS.secrets.log, context, msgspec.msgpack.encode(forged))
        opened = open_record(ACCESS, OWNER, 7, HEAD.hash, stored)
        assert (opened.signer, opened.payload) == (b"", b"")
        assert opened.hash == record_hash(stored)


class Later(kinds.Body, frozen=True, kw_only=True):
    kind = "later"
    what: str


class LaterNote(Later, frozen=True, kw_only=True):
    kind = "later-note"
    skippable = True


class WiderNote(kinds.Note, frozen=True, kw_only=True):
    colour: str


class BrokenNote(kinds.Body, frozen=True, kw_only=True):
    kind = "note"
    text: int


def decoded(body: kinds.Body) -> kinds.Body | None:
    return decode_body(decode_envelope(open_record(ACCESS, OWNER, 7, HEAD.hash, sealed(body)), OWNER), 7, OWNER)


def test_what_later_versions_write() -> None:
    with pytest.raises(Unsupported, match="'later'"):
        decoded(Later(what="x"))
    assert decoded(LaterNote(what="x")) is None
    assert decoded(WiderNote(text="x", colour="red")) == kinds.Note(text="x")
    with pytest.raises(IntegrityError, match="a note, is malformed"):
        decoded(BrokenNote(text=1))


def test_a_record_has_its_limit() -> None:
    assert len(sealed(a_point(inline=bytes(60 << 10)))) <= MAX_RECORD
    with pytest.raises(InvalidRequest, match="too large"):
        sealed(a_point(inline=bytes(64 << 10)))


def test_encoding_is_deterministic() -> None:
    payloads = {open_record(ACCESS, OWNER, 7, HEAD.hash, sealed()).payload for _ in range(3)}
    assert len(payloads) == 1
