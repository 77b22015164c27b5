"""A pack's outer layout: header, frames, footer, trailer (docs/format.md, "Packs"). Validates; knows no store."""

import struct
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest

import numpy as np
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from understudy.errors import AccessDenied, IntegrityError
from understudy.model import Bytes
from understudy.native.layout import SUITE_AEGIS256, SUITE_XCHACHA20POLY1305
from understudy.vault.access import Access

MAGIC = b"USPACK\x01\x00"
HEADER_SIZE = 160
TRAILER_SIZE = 48
HASH_SIZE = 32
ID_SIZE = 16
KEY_SIZE = 32
PACK_SIZE_MAX = 64 << 20
"""No reader accepts more, whatever a record says."""

TAG_SIZE = {SUITE_XCHACHA20POLY1305: 16, SUITE_AEGIS256: 32}

_HEAD = struct.Struct("<8s16sB3sI80s")
_TAGGED = struct.Struct(f"<{_HEAD.size}s32s16s")
_TRAILER = struct.Struct("<QQ32s")


@dataclass(frozen=True, slots=True, repr=False)
class PackKey:
    """What opens a pack's frames."""

    suite: int
    key: Bytes


def damaged(pack_id: bytes, reason: str) -> IntegrityError:
    return IntegrityError(f"pack {pack_id.hex()}: {reason}", hint="Restore this object from a copy of the vault, or choose another point.")


def frame_context(vault_id: str, machine_id: str, pack_id: bytes, disk_id: bytes) -> bytes:
    """32 bytes of every frame's associated data: it opens in this pack, for this disk, and nowhere else."""
    place = b"understudy-frame\0" + bytes.fromhex(vault_id) + bytes.fromhex(machine_id) + pack_id + disk_id
    return blake2b(place, digest_size=32).digest()


def _header_tag(access: Access, machine_id: str, head: bytes) -> bytes:
    """Sealing to a public key proves no author: this tag does, so that no pack of a stranger's making is ever decoded."""
    key = blake2b(b"understudy-header\0", key=access.secrets.footer, digest_size=32).digest()
    return blake2b(bytes.fromhex(access.vault_id) + bytes.fromhex(machine_id) + head, key=key, digest_size=32).digest()


def build_header(access: Access, machine_id: str, pack_id: bytes, suite: int, key: bytes) -> bytes:
    sealed = SealedBox(PublicKey(access.recovery_public)).encrypt(key)
    head = _HEAD.pack(MAGIC, pack_id, suite, bytes(3), access.recovery_generation, sealed)
    return _TAGGED.pack(head, _header_tag(access, machine_id, head), bytes(16))


def open_header(access: Access, machine_id: str, pack_id: bytes, header: bytes) -> PackKey:
    """`AccessDenied` without the recovery private key of the pack's generation."""
    if len(header) != HEADER_SIZE:
        raise damaged(pack_id, f"ends after {len(header)} bytes of its header")
    head, tag, padding = _TAGGED.unpack(header)
    magic, named, suite, reserved, generation, sealed = _HEAD.unpack(head)
    if magic != MAGIC:
        raise damaged(pack_id, "is no pack, or of a format that this version does not know")
    if named != pack_id:
        raise damaged(pack_id, f"holds another pack, {named.hex()}")
    if not compare_digest(tag, _header_tag(access, machine_id, head)):
        raise damaged(pack_id, "its header is altered, or it belongs to another vault or machine")
    if suite not in TAG_SIZE or any(reserved) or any(padding):
        raise damaged(pack_id, f"unknown suite {suite} or reserved fields in its header")
    private = access.recovery_private.get(generation)
    if private is None:
        raise AccessDenied(
            f"pack {pack_id.hex()} opens only with the recovery key of generation {generation}, which this credential does not hold",
            hint="Unlock the vault with an operator's key; a source's key can write recovery points but not read them.",
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


def trailer_prefix(footer_offset: int, footer_length: int) -> bytes:
    """The part of the trailer that its hash, which follows, covers too."""
    return struct.pack("<QQ", footer_offset, footer_length)


def parse_trailer(pack_id: bytes, size: int, trailer: bytes) -> tuple[int, int, bytes]:
    """Footer offset, footer length and hash of a pack of `size` bytes; both are within it."""
    if len(trailer) != TRAILER_SIZE or not HEADER_SIZE + TRAILER_SIZE <= size <= PACK_SIZE_MAX:
        raise damaged(pack_id, f"{size} bytes are no pack's size")
    offset, length, digest = _TRAILER.unpack(trailer)
    if offset < HEADER_SIZE or offset > size or length != size - TRAILER_SIZE - offset:
        raise damaged(pack_id, "its trailer points outside it")
    return offset, length, digest


def scrub(pack_id: bytes, data: bytes | memoryview) -> bytes:
    """Check a whole pack without any key: it is the pack of this name and ends with the hash of the rest, which is returned."""
    view = memoryview(data)
    if len(view) < HEADER_SIZE + TRAILER_SIZE:
        raise damaged(pack_id, f"{len(view)} bytes are no pack's size")
    if view[: len(MAGIC)] != MAGIC:
        raise damaged(pack_id, "is no pack, or of a format that this version does not know")
    if view[len(MAGIC) : len(MAGIC) + ID_SIZE] != pack_id:
        raise damaged(pack_id, "holds another pack")
    _, _, expected = parse_trailer(pack_id, len(view), bytes(view[-TRAILER_SIZE:]))
    if blake2b(view[:-HASH_SIZE], digest_size=HASH_SIZE).digest() != expected:
        raise damaged(pack_id, "its bytes do not have the hash that it ends with")
    return expected
