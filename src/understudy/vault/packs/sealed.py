"""Compressed, sealed metadata (footers, pages, directories): nonce 24 || XChaCha20-Poly1305(le64 length || one LZ4 block)."""

import os

import numpy as np

from understudy.errors import IntegrityError
from understudy.native import lz4block
from understudy.vault import box
from understudy.vault.box import Entropy

_PREFIX = 8
_MAX_RATIO = 255
"""LZ4 cannot expand a byte to more."""


def seal(key: bytes, associated: bytes, plain: bytes, entropy: Entropy = os.urandom) -> bytes:
    """`key` is 32 bytes; `associated` says where the result belongs, and it opens nowhere else."""
    data = np.frombuffer(plain, dtype=np.uint8)
    packed = np.empty(lz4block.bound(len(data)), dtype=np.uint8)
    size = lz4block.compress(data, np.array([len(data)], dtype=np.int64), packed, np.empty(1, dtype=np.int64))
    body = len(plain).to_bytes(_PREFIX, "little") + packed[:size].tobytes()
    return box.seal(key, associated, body, entropy)


def unseal(key: bytes, associated: bytes, sealed: bytes, limit: int, name: str) -> bytes:
    """The inverse. `IntegrityError` naming `name` for anything else; allocates at most `limit` bytes whatever the input says."""
    body = box.unseal(key, associated, sealed)
    if body is None:
        raise IntegrityError(f"{name}: does not open; altered, or not where it belongs")
    if len(body) < _PREFIX:
        raise IntegrityError(f"{name}: {len(body)} bytes are too few")
    length = int.from_bytes(body[:_PREFIX], "little")
    packed = np.frombuffer(body, dtype=np.uint8, offset=_PREFIX)
    if length > min(limit, len(packed) * _MAX_RATIO):
        raise IntegrityError(f"{name}: says that it holds {length} bytes, which it cannot")
    plain = np.empty(length, dtype=np.uint8)
    try:
        lz4block.decompress(packed, np.array([len(packed)], dtype=np.int64), plain, np.array([length], dtype=np.int64))
    except ValueError as error:
        raise IntegrityError(f"{name}: does not decompress: {error}") from error
    return plain.tobytes()
