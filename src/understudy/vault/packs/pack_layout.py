"""A pack's outer layout: header, frames, footer, trailer (docs/format.md, "Packs"). Validates; knows no store."""

import struct
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from xxhash import xxh3_128

from understudy.errors import AccessDenied, IntegrityError
from understudy.model import Bytes
from understudy.native.layout import SUITE_AEGIS256, SUITE_XCHACHA20POLY1305
from understudy.vault.access import Access

MAGIC = b"USPACK\x01\x00"
HEADER_SIZE = 160
TRAILER_SIZE = 128
HASH_SIZE = 32
ID_SIZE = 16
KEY_SIZE = 32
PACK_SIZE_MAX = 64 << 20
"""No reader accepts more, whatever a record says."""

TAG_SIZE = {SUITE_XCHACHA20POLY1305: 16, SUITE_AEGIS256: 32}

_HEADER = struct.Struct("<8s16sB3sI80s48s")
_TRAILER = struct.Struct("<QQ32s32s16s32s")


@dataclass(frozen=True, slots=True, repr=False)
class PackKey:
    """What opens a pack's frames."""

    suite: int
    key: Bytes


@dataclass(frozen=True, slots=True)
class Trailer:
    """What ends a pack. `hash`, which a point's signed record repeats, covers all the other fields, and they the whole pack."""

    footer_offset: int
    footer_length: int
    header_hash: bytes
    footer_hash: bytes
    checksum: bytes
    """XXH3-128 of everything before the trailer: for a scrub. Frames are proven by their AEAD under the key in the header."""
    hash: bytes


def blake2b_256(data: bytes | memoryview) -> bytes:
    return blake2b(data, digest_size=HASH_SIZE).digest()


def damaged(pack_id: bytes, reason: str) -> IntegrityError:
    return IntegrityError(f"pack {pack_id.hex()}: {reason}", hint="restore this object from a copy of the vault, or choose another point")


def frame_context(vault_id: str, machine_id: str, pack_id: bytes, disk_id: bytes) -> bytes:
    """32 bytes of every frame's associated data: it opens in this pack, for this disk, and nowhere else."""
    place = b"understudy-frame\0" + bytes.fromhex(vault_id) + bytes.fromhex(machine_id) + pack_id + disk_id
    return blake2b(place, digest_size=32).digest()


def build_header(access: Access, pack_id: bytes, suite: int, key: bytes) -> bytes:
    sealed = SealedBox(PublicKey(access.recovery_public)).encrypt(key)
    return _HEADER.pack(MAGIC, pack_id, suite, bytes(3), access.recovery_generation, sealed, bytes(48))


def open_header(access: Access, pack_id: bytes, header: bytes, trailer: Trailer) -> PackKey:
    """`AccessDenied` without the recovery private key of the pack's generation.

    The trailer must be the one that the point's record names: sealing to a public key proves no author, its hash does.
    """
    if len(header) != HEADER_SIZE or blake2b_256(header) != trailer.header_hash:
        raise damaged(pack_id, "its header is not the one that was written")
    magic, named, suite, reserved, generation, sealed, padding = _HEADER.unpack(header)
    if magic != MAGIC or named != pack_id or suite not in TAG_SIZE or any(reserved) or any(padding):
        raise damaged(pack_id, "its header is of another pack, or of a format that this version does not know")
    private = access.recovery_private.get(generation)
    if private is None:
        raise AccessDenied(
            f"pack {pack_id.hex()} opens only with the recovery key of generation {generation}, which this credential does not hold",
            hint="unlock the vault with an operator's key; a source's key can write recovery points but not read them",
        )
    try:
        key = SealedBox(PrivateKey(private)).decrypt(sealed)
    except CryptoError:
        raise damaged(pack_id, "its key does not open") from None
    if len(key) != KEY_SIZE:
        raise damaged(pack_id, f"its key has {len(key)} bytes")
    return PackKey(suite, np.frombuffer(key, dtype=np.uint8))


def peek_id(data: bytes) -> bytes:
    """A pack's id from its own header: for inline packs, whose record does not repeat it."""
    if len(data) < HEADER_SIZE + TRAILER_SIZE or not data.startswith(MAGIC):
        raise IntegrityError("an inline pack is no pack")
    return data[len(MAGIC) : len(MAGIC) + ID_SIZE]


def build_trailer(header: bytes, footer_offset: int, footer: bytes, checksum: bytes) -> bytes:
    """The last 32 bytes are the pack's hash."""
    body = _TRAILER.pack(footer_offset, len(footer), blake2b_256(header), blake2b_256(footer), checksum, bytes(HASH_SIZE))[:-HASH_SIZE]
    return body + blake2b_256(body)


def parse_trailer(pack_id: bytes, size: int, data: bytes, expected: bytes | None = None) -> Trailer:
    """The trailer of a pack of `size` bytes, consistent with itself and, if given, the one with the `expected` hash."""
    if len(data) != TRAILER_SIZE or not HEADER_SIZE + TRAILER_SIZE <= size <= PACK_SIZE_MAX:
        raise damaged(pack_id, f"{size} bytes are no pack's size")
    trailer = Trailer(*_TRAILER.unpack(data))
    if blake2b_256(data[:-HASH_SIZE]) != trailer.hash:
        raise damaged(pack_id, "its trailer does not have the hash that it ends with")
    if expected is not None and trailer.hash != expected:
        raise damaged(pack_id, "is not the pack that its record names")
    if trailer.footer_offset < HEADER_SIZE or trailer.footer_offset + trailer.footer_length != size - TRAILER_SIZE:
        raise damaged(pack_id, "its trailer points outside it")
    return trailer


def scrub(pack_id: bytes, data: bytes | memoryview) -> bytes:
    """Check a whole pack without any key: it is the pack of this name and has the hashes that it ends with. Returns its hash."""
    view = memoryview(data)
    trailer = parse_trailer(pack_id, len(view), bytes(view[-TRAILER_SIZE:]))
    header, footer = view[:HEADER_SIZE], view[trailer.footer_offset : -TRAILER_SIZE]
    if header[: len(MAGIC)] != MAGIC:
        raise damaged(pack_id, "is no pack, or of a format that this version does not know")
    if header[len(MAGIC) : len(MAGIC) + ID_SIZE] != pack_id:
        raise damaged(pack_id, "holds another pack")
    if blake2b_256(header) != trailer.header_hash or blake2b_256(footer) != trailer.footer_hash:
        raise damaged(pack_id, "its header or footer is not the one that was written")
    if xxh3_128(view[:-TRAILER_SIZE]).digest() != trailer.checksum:
        raise damaged(pack_id, "its bytes do not have the checksum that it ends with")
    return trailer.hash
