"""The object `vault`: says that this is a vault, and which one. Plain; the genesis record carries its hash."""

import secrets
from hashlib import blake2b
from typing import Annotated

import msgspec

from understudy.errors import IntegrityError, NotFound, Unsupported
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.malformed import MALFORMED

MAGIC = b"USVLT\0"
VERSION = 1
_HASH = 32
_MOST = 4096


class Descriptor(msgspec.Struct, frozen=True, kw_only=True):
    """A vault's id (16 bytes) and when it was made (wall clock, nanoseconds, for people only)."""

    id: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    created_at: int

    @classmethod
    def new(cls, created_at: int) -> "Descriptor":
        return cls(id=secrets.token_bytes(16), created_at=created_at)


def encode(descriptor: Descriptor) -> bytes:
    """magic || version, two bytes || MessagePack || BLAKE2b-256 of all before."""
    data = MAGIC + VERSION.to_bytes(2, "little") + msgspec.msgpack.encode(descriptor, order="deterministic")
    return data + digest(data)


def decode(data: bytes) -> Descriptor:
    """`IntegrityError` unless it is exactly what `encode` made; `Unsupported` for a later format."""
    if len(data) <= len(MAGIC) + 2 + _HASH or len(data) > _MOST or not data.startswith(MAGIC):
        raise IntegrityError("the vault's descriptor is not one", hint="is this really a vault? Its other objects are still whole")
    if digest(data[:-_HASH]) != data[-_HASH:]:
        raise IntegrityError("the vault's descriptor is damaged", hint="restore the object `vault` from a copy; it never changes")
    version = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2], "little")
    if version != VERSION:
        raise Unsupported(f"this vault has format {version}; this understudy knows {VERSION}", hint="use a newer understudy")
    try:
        return msgspec.msgpack.decode(data[len(MAGIC) + 2 : -_HASH], type=Descriptor)
    except MALFORMED as error:
        raise IntegrityError(f"the vault's descriptor is malformed: {error}") from error


async def read(store: ObjectStore) -> tuple[Descriptor, bytes]:
    """And its bytes. `NotFound` where no vault is."""
    try:
        encoded = bytes(await store.get(names.DESCRIPTOR, 0, 1 << 16))
    except NotFound as error:
        raise NotFound("there is no vault here", hint="check the address") from error
    return decode(encoded), encoded


def digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_HASH).digest()
