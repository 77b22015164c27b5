"""A key slot opens with its own secret, in its own place, unaltered."""

import msgspec
import pytest

from tests.vault.worlds import UNLOCK, passphrase
from understudy.errors import IntegrityError, InvalidRequest
from understudy.vault.descriptor import digest
from understudy.vault.keys.identity import first_operator
from understudy.vault.keys.slot import MAGIC, SlotHeader, read_header, unwrap, wrap
from understudy.vault.keys.unlock import Argon2id, KeyedHash, KeyFile, Unlock, derive

VAULT, SLOT = b"v" * 16, b"s" * 16
BUNDLE = first_operator("op")


@pytest.mark.parametrize("unlock", [UNLOCK, passphrase("correct horse")], ids=["key-file", "passphrase"])
def test_round_trip(unlock: Unlock) -> None:
    data = wrap(VAULT, SLOT, BUNDLE, unlock, 5)
    assert unwrap(VAULT, SLOT, data, unlock) == BUNDLE
    header = read_header(SLOT, data)
    assert (header.role, header.label, header.identity, header.created_at) == ("operator", "op", BUNDLE.public, 5)
    for secret in (BUNDLE.index_key, BUNDLE.seed, BUNDLE.recovery_private[0].private):
        assert secret not in data


def test_other_secrets_open_nothing() -> None:
    phrase, file = wrap(VAULT, SLOT, BUNDLE, passphrase("a"), 5), wrap(VAULT, SLOT, BUNDLE, UNLOCK, 5)
    assert unwrap(VAULT, SLOT, phrase, passphrase("b")) is None
    assert unwrap(VAULT, SLOT, phrase, UNLOCK) is None
    assert unwrap(VAULT, SLOT, file, KeyFile(bytes(32))) is None
    assert unwrap(VAULT, SLOT, file, passphrase("a")) is None


def test_it_opens_in_its_own_place_only() -> None:
    data = wrap(VAULT, SLOT, BUNDLE, UNLOCK, 5)
    assert unwrap(b"V" * 16, SLOT, data, UNLOCK) is None
    assert unwrap(VAULT, b"S" * 16, data, UNLOCK) is None


def test_every_flipped_byte_and_every_truncation_is_refused() -> None:
    data = wrap(VAULT, SLOT, BUNDLE, UNLOCK, 5)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(IntegrityError):
            unwrap(VAULT, SLOT, bytes(damaged), UNLOCK)
        with pytest.raises(IntegrityError):
            unwrap(VAULT, SLOT, data[:position], UNLOCK)


def test_every_flipped_byte_with_the_checksum_made_right_again() -> None:
    """The checksum finds accidents; against malice the seal stands, over the plain header too."""
    data = wrap(VAULT, SLOT, BUNDLE, UNLOCK, 5)
    for position in range(len(data) - 32):
        damaged = bytearray(data[:-32])
        damaged[position] ^= 1
        try:
            assert unwrap(VAULT, SLOT, bytes(damaged) + digest(bytes(damaged)), UNLOCK) is None
        except IntegrityError:
            continue


def test_hostile_derivations_cost_nothing() -> None:
    for derivation in (
        Argon2id(salt=bytes(16), operations=3, memory=1 << 60),
        Argon2id(salt=bytes(16), operations=1 << 50, memory=8192),
        Argon2id(salt=bytes(16), operations=0, memory=8192),
        Argon2id(salt=bytes(16), operations=1, memory=-1),
        Argon2id(salt=bytes(5), operations=1, memory=8192),
    ):
        assert derive(passphrase("a"), derivation, VAULT) is None
        header = msgspec.msgpack.encode(
            SlotHeader(role="operator", label="op", identity=BUNDLE.public, derivation=derivation, created_at=0)
        )
        data = MAGIC + len(header).to_bytes(4, "little") + header + bytes(100)
        assert unwrap(VAULT, SLOT, data + digest(data), passphrase("a")) is None
    with pytest.raises(InvalidRequest):
        wrap(VAULT, SLOT, BUNDLE, type(passphrase("a"))("a", operations=1, memory=1), 5)


def test_keyboards_do_not_matter() -> None:
    data = wrap(VAULT, SLOT, BUNDLE, passphrase("caf\u00e9"), 5)
    assert unwrap(VAULT, SLOT, data, passphrase("cafe\u0301")) == BUNDLE


def test_key_files() -> None:
    key = KeyFile.generate()
    assert KeyFile.parse(key.text()) == key
    assert key.text().startswith("understudy-key-1:")
    assert derive(key, KeyedHash(salt=bytes(16)), VAULT) != derive(key, KeyedHash(salt=b"1" * 16), VAULT)
    for text in ("", "understudy-key-1:", "understudy-key-1:AAAA", "understudy-key-2:" + "A" * 43 + "=", key.text()[:-3], "\0", "ü"):
        with pytest.raises(InvalidRequest) as caught:
            KeyFile.parse(text)
        assert text[17:] == "" or text[17:] not in caught.value.message + caught.value.hint


def test_nothing_secret_is_shown() -> None:
    shown = repr([UNLOCK, passphrase("hunter2"), BUNDLE, BUNDLE.recovery_private, BUNDLE.access(VAULT)])
    assert "hunter2" not in shown
    for secret in (UNLOCK.key, BUNDLE.index_key, BUNDLE.seed, BUNDLE.recovery_private[0].private):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    with pytest.raises(InvalidRequest):
        passphrase("")
