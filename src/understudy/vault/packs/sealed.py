"""Compressed, sealed metadata (footers, pages, directories): nonce 24 || XChaCha20-Poly1305(le64 length || one LZ4 block)."""

import os
from collections.abc import Callable

import numpy as np
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from understudy.errors import IntegrityError
from understudy.native import lz4block

NONCE_SIZE = 24
TAG_SIZE = 16
_PREFIX = 8
_MAX_RATIO = 255
"""LZ4 cannot expand a byte to more."""

Entropy = Callable[[int], bytes]
"""Where ids, keys and nonces come from: `os.urandom`, except where a test freezes the format."""


def seal(key: bytes, associated: bytes, plain: bytes, entropy: Entropy = os.urandom) -> bytes:
    """`key` is 32 bytes; `associated` says where the result belongs, and it opens nowhere else."""
    data = np.frombuffer(plain, dtype=np.uint8)
    packed = np.empty(lz4block.bound(len(data)), dtype=np.uint8)
    size = lz4block.compress(data, np.array([len(data)], dtype=np.int64), packed, np.empty(1, dtype=np.int64))
    nonce = entropy(NONCE_SIZE)
    body = len(plain).to_bytes(_PREFIX, "little") + packed[:size].tobytes()
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(body, associated, nonce, key)


def unseal(key: bytes, associated: bytes, sealed: bytes, limit: int, name: str) -> bytes:
    """The inverse. `IntegrityError` naming `name` for anything else; allocates at most `limit` bytes whatever the input says."""
    if len(sealed) < NONCE_SIZE + TAG_SIZE + _PREFIX:
        raise IntegrityError(f"{name}: {len(sealed)} bytes are too few")
    try:
        body = crypto_aead_xchacha20poly1305_ietf_decrypt(sealed[NONCE_SIZE:], associated, sealed[:NONCE_SIZE], key)
    except CryptoError:
        raise IntegrityError(f"{name}: does not open; altered, or not where it belongs") from None
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
