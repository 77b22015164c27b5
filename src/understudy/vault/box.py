"""XChaCha20-Poly1305 under a random nonce: how everything but packs is encrypted."""

import secrets

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


def seal(key: bytes, context: bytes, plaintext: bytes) -> bytes:
    """nonce || ciphertext || tag. `context` is authenticated, not stored: the reader must know it."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + encrypt(plaintext, context, nonce, key)


def unseal(key: bytes, context: bytes, data: bytes) -> bytes | None:
    """The plaintext, or None if any bit of data, context or key differs."""
    if len(data) < OVERHEAD:
        return None
    try:
        return decrypt(data[NONCE:], context, data[:NONCE], key)
    except CryptoError:
        return None
