"""A key slot: an identity's bundle, wrapped so that one passphrase or key file opens it. Objects `keys/<slot id>`."""

from typing import Annotated

import msgspec

from understudy.errors import IntegrityError, InvalidRequest
from understudy.vault.box import seal, unseal
from understudy.vault.descriptor import digest
from understudy.vault.keys.identity import Bundle, Role
from understudy.vault.keys.unlock import Argon2id, Derivation, Unlock, derive
from understudy.vault.kinds import Words
from understudy.vault.malformed import MALFORMED

MAGIC = b"USKEY\0\1\0"
MAX_SLOT = 64 << 10
_HASH = 32


class SlotHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What anybody may read of a slot."""

    role: Role
    label: Words
    identity: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    """The public signing key of the identity inside."""
    derivation: Derivation
    created_at: int

    @property
    def opens_with(self) -> str:
        return "passphrase" if isinstance(self.derivation, Argon2id) else "key-file"


def wrap(vault_id: bytes, slot_id: bytes, bundle: Bundle, unlock: Unlock, created_at: int) -> bytes:
    """magic || header length || header || sealed bundle || BLAKE2b-256 of all before. Blocks (Argon2)."""
    derivation = unlock.new_derivation()
    header = msgspec.msgpack.encode(
        SlotHeader(role=bundle.role, label=bundle.name, identity=bundle.public, derivation=derivation, created_at=created_at),
        order="deterministic",
    )
    key = derive(unlock, derivation, vault_id)
    if key is None:
        raise InvalidRequest("these Argon2id parameters are outside of what a vault takes")
    plaintext = msgspec.msgpack.encode(bundle, order="deterministic")
    data = MAGIC + len(header).to_bytes(4, "little") + header + seal(key, _context(vault_id, slot_id, header), plaintext)
    return data + digest(data)


def read_header(slot_id: bytes, data: bytes) -> SlotHeader:
    """`IntegrityError` if the slot is damaged. Proves nothing about who wrote it."""
    return _split(slot_id, data)[0]


def unwrap(vault_id: bytes, slot_id: bytes, data: bytes, unlock: Unlock) -> Bundle | None:
    """The bundle, or None if this secret does not open it. `IntegrityError` if the slot is damaged. Blocks (Argon2)."""
    header, plain, sealed = _split(slot_id, data)
    key = derive(unlock, header.derivation, vault_id)
    plaintext = unseal(key, _context(vault_id, slot_id, plain), sealed) if key is not None else None
    if plaintext is None:
        return None
    try:
        bundle = msgspec.msgpack.decode(plaintext, type=Bundle)
    except MALFORMED as error:
        raise IntegrityError(f"key slot {slot_id.hex()} is malformed: {error}") from error
    if (bundle.role, bundle.name, bundle.public) != (header.role, header.label, header.identity):
        raise IntegrityError(f"key slot {slot_id.hex()} holds another identity than it says")
    return bundle


def _split(slot_id: bytes, data: bytes) -> tuple[SlotHeader, bytes, bytes]:
    start = len(MAGIC) + 4
    whole = start + _HASH <= len(data) <= MAX_SLOT and data.startswith(MAGIC) and digest(data[:-_HASH]) == data[-_HASH:]
    end = start + int.from_bytes(data[len(MAGIC) : start], "little")
    if not whole or end > len(data) - _HASH:
        raise IntegrityError(
            f"key slot {slot_id.hex()} is damaged",
            hint=f"open the vault with another key; restore the object keys/{slot_id.hex()} from a copy, or delete it",
        )
    try:
        return msgspec.msgpack.decode(data[start:end], type=SlotHeader), data[start:end], data[end:-_HASH]
    except MALFORMED as error:
        raise IntegrityError(f"key slot {slot_id.hex()} is malformed: {error}") from error


def _context(vault_id: bytes, slot_id: bytes, header: bytes) -> bytes:
    return b"understudy-slot\0" + vault_id + slot_id + header
