"""What opens a key slot: a passphrase that a person knows, or 32 random bytes in a file."""

import base64
import binascii
import secrets
import unicodedata
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeAlias

import msgspec
from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id

from understudy.errors import InvalidRequest

KEY_SIZE = 32
SALT_SIZE = 16
_PREFIX = "understudy-key-1:"


class Argon2id(msgspec.Struct, frozen=True, kw_only=True, tag_field="name", tag="argon2id"):
    """Version 1.3, one lane. `memory` in bytes. The defaults are RFC 9106's for little memory, with its 64 MiB."""

    salt: bytes
    operations: int = 3
    memory: int = 64 << 20


class KeyedHash(msgspec.Struct, frozen=True, kw_only=True, tag_field="name", tag="blake2b"):
    """For keys that are random already."""

    salt: bytes


Derivation: TypeAlias = Argon2id | KeyedHash
"""How a slot's key is derived; kept in the slot's plain header."""

# A damaged or hostile header must not make us use up the host's memory.
MOST_MEMORY = 1 << 30
MOST_OPERATIONS = 64


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Compared after Unicode NFC, so that keyboards do not matter. `operations` and `memory` are for new slots."""

    text: str = field(repr=False)
    operations: int = 3
    memory: int = 64 << 20

    def __post_init__(self) -> None:
        if not self.text:
            raise InvalidRequest("the passphrase is empty")

    def new_derivation(self) -> Derivation:
        return Argon2id(salt=secrets.token_bytes(SALT_SIZE), operations=self.operations, memory=self.memory)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The contents of a key file."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_SIZE:
            raise InvalidRequest(f"a key file holds {KEY_SIZE} bytes, not {len(self.key)}")

    @classmethod
    def generate(cls) -> "KeyFile":
        return cls(secrets.token_bytes(KEY_SIZE))

    @classmethod
    def parse(cls, text: str) -> "KeyFile":
        """From the file's text; `InvalidRequest` (which never quotes it) if it is something else."""
        line = text.strip()
        try:
            return cls(base64.b64decode(line.removeprefix(_PREFIX), validate=True) if line.startswith(_PREFIX) else b"")
        except (binascii.Error, ValueError, InvalidRequest):
            raise InvalidRequest(
                "this is not an understudy key file", hint=f"it holds one line: {_PREFIX} and 44 characters of Base64"
            ) from None

    def text(self) -> str:
        """What to write into the file."""
        return f"{_PREFIX}{base64.b64encode(self.key).decode()}\n"

    def new_derivation(self) -> Derivation:
        return KeyedHash(salt=secrets.token_bytes(SALT_SIZE))


Unlock: TypeAlias = Passphrase | KeyFile


def derive(unlock: Unlock, derivation: Derivation, vault_id: bytes) -> bytes | None:
    """The slot's key; None if the slot is for another kind of secret or its parameters make no sense. Blocks (Argon2)."""
    match unlock, derivation:
        case Passphrase(), Argon2id(salt=salt, operations=operations, memory=memory):
            if len(salt) != SALT_SIZE or not 1 <= operations <= MOST_OPERATIONS or not 8192 <= memory <= MOST_MEMORY:
                return None
            secret = unicodedata.normalize("NFC", unlock.text).encode()
            try:
                return argon2id.kdf(KEY_SIZE, secret, salt, opslimit=operations, memlimit=memory)
            except CryptoError:
                return None
        case KeyFile(), KeyedHash(salt=salt):
            return blake2b(b"understudy-key-file\0" + vault_id + salt, key=unlock.key, digest_size=KEY_SIZE).digest()
        case _:
            return None
