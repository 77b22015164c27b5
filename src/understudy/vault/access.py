"""What an opened credential lets its holder compute: secrets derived from the index key, and the recovery key pair."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from understudy.model import Bytes

XXH3_SECRET_SIZE = 192


def _derive(index_key: bytes, vault_id: str, purpose: str, size: int) -> bytes:
    """BLAKE2b in counter mode keyed by the index key; purpose and vault are part of every block's input."""
    out = b""
    counter = 0
    while len(out) < size:
        data = b"understudy\0" + purpose.encode() + b"\0" + bytes.fromhex(vault_id) + counter.to_bytes(4, "little")
        out += blake2b(data, key=index_key, digest_size=64).digest()
        counter += 1
    return out[:size]


def _xxh3_secret(raw: bytes) -> Bytes:
    return np.frombuffer(raw, dtype=np.uint8)


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Subkeys of the index key; source and operator both hold them."""

    signature: Bytes
    digest: Bytes
    log: bytes
    footer: bytes
    side_object: bytes
    checkpoint: bytes

    @classmethod
    def derive(cls, index_key: bytes, vault_id: str) -> "Secrets":
        """`index_key` is 32 random bytes, `vault_id` 32 hex digits."""
        return cls(
            signature=_xxh3_secret(_derive(index_key, vault_id, "signature", XXH3_SECRET_SIZE)),
            digest=_xxh3_secret(_derive(index_key, vault_id, "digest", XXH3_SECRET_SIZE)),
            log=_derive(index_key, vault_id, "log", 32),
            footer=_derive(index_key, vault_id, "footer", 32),
            side_object=_derive(index_key, vault_id, "side-object", 32),
            checkpoint=_derive(index_key, vault_id, "checkpoint", 32),
        )


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """A vault's identity and the encryption keys that this process holds for it."""

    vault_id: str
    secrets: Secrets
    recovery_public: bytes
    """X25519, 32 bytes: pack keys are sealed to it."""
    recovery_generation: int
    recovery_private: Mapping[int, bytes] = field(default_factory=dict)
    """By generation; empty for a source, which can seal but not open."""
