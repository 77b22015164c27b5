"""The object `copy`: says that this place is a copy of a vault, and which one. Plain; made before anything else is copied there."""

import secrets
from typing import Annotated

import msgspec

from understudy.errors import IntegrityError, NotFound
from understudy.store.protocol import ObjectStore
from understudy.vault import names
from understudy.vault.descriptor import digest
from understudy.vault.malformed import MALFORMED

MAGIC = b"USCPY\0\1\0"
_HASH = 32
_MOST = 4096


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """`id`: this copy's, 16 random bytes; `of`: the vault's."""

    id: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    of: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]

    @classmethod
    def new(cls, vault_id: str) -> "Marker":
        return cls(id=secrets.token_bytes(16), of=bytes.fromhex(vault_id))


def encode(marker: Marker) -> bytes:
    """magic || MessagePack || BLAKE2b-256 of all before."""
    data = MAGIC + msgspec.msgpack.encode(marker, order="deterministic")
    return data + digest(data)


def decode(data: bytes) -> Marker:
    """`IntegrityError` for anything else."""
    try:
        if not data.startswith(MAGIC) or digest(data[:-_HASH]) != data[-_HASH:]:
            raise ValueError("it is damaged")
        return msgspec.msgpack.decode(data[len(MAGIC) : -_HASH], type=Marker)
    except (ValueError, *MALFORMED) as error:
        hint = "find out who wrote there; a copy can be made anew in an empty place"
        raise IntegrityError(
            f"the object {names.COPY}, which says that this is a copy of a vault, does not read: {error}", hint=hint
        ) from error


async def read_marker(store: ObjectStore) -> Marker | None:
    """None where no copy is."""
    try:
        return decode(bytes(await store.get(names.COPY, 0, _MOST)))
    except NotFound:
        return None


async def copy_id(store: ObjectStore) -> str:
    """In hex; empty where no copy is."""
    marker = await read_marker(store)
    return marker.id.hex() if marker is not None else ""
