"""XChaCha20-Poly1305 under a random nonce: how everything but packs is encrypted."""

import os
from collections.abc import Callable

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_ABYTES as TAG,
)
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt as decrypt,
)
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_encrypt as encrypt,
)
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES as NONCE,
)
from nacl.exceptions import CryptoError

OVERHEAD = NONCE + TAG

Entropy = Callable[[int], bytes]
"""Where ids, keys and nonces come from: `os.urandom`, except where a test freezes the format."""


def seal(key: bytes, context: bytes, plaintext: bytes, entropy: Entropy = os.urandom) -> bytes:
    """nonce || ciphertext || tag. `context` is authenticated, not stored: the reader must know it."""
    nonce = entropy(NONCE)
    return nonce + encrypt(plaintext, context, nonce, key)


def unseal(key: bytes, context: bytes, data: bytes) -> bytes | None:
    """The plaintext, or None if any bit of data, context or key differs."""
    if len(data) < OVERHEAD:
        return None
    try:
        return decrypt(data[NONCE:], context, data[:NONCE], key)
    except CryptoError:
        return None
