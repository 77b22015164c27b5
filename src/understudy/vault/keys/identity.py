"""Who somebody is to a vault: a role, a name, a signing key, and the encryption keys that the role may hold."""

import secrets
from typing import Annotated, Literal, TypeAlias

import msgspec
from nacl.public import PrivateKey
from nacl.signing import SigningKey

from understudy.vault.access import Access, Secrets

Role: TypeAlias = Literal["source", "operator"]
Key: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Generation: TypeAlias = Annotated[int, msgspec.Meta(ge=1, lt=1 << 32)]


class RecoveryKey(msgspec.Struct, frozen=True, kw_only=True):
    """An X25519 private key, and which generation of the vault's keys it belongs to."""

    generation: Generation
    private: Key

    def __repr__(self) -> str:
        return f"RecoveryKey({self.generation})"


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one identity holds; only ever stored inside a key slot."""

    role: Role
    name: str
    seed: Key
    """Of the Ed25519 signing key."""
    index_key: Key
    root: Key
    """The first operator's public key: what the vault's genesis must be signed by."""
    recovery_public: Key
    recovery_generation: Generation
    recovery_private: tuple[RecoveryKey, ...] = ()
    """Empty for a source."""

    def __repr__(self) -> str:
        return f"Bundle({self.role} {self.name!r})"

    @property
    def signing_key(self) -> SigningKey:
        return SigningKey(self.seed)

    @property
    def public(self) -> bytes:
        return bytes(self.signing_key.verify_key)

    def access(self, vault_id: bytes) -> Access:
        return Access(
            vault_id=vault_id.hex(),
            secrets=Secrets.derive(self.index_key, vault_id.hex()),
            recovery_public=self.recovery_public,
            recovery_generation=self.recovery_generation,
            recovery_private={key.generation: key.private for key in self.recovery_private},
        )

    def sibling(self, role: Role, name: str) -> "Bundle":
        """A new identity of the same vault. A source gets no recovery private key."""
        return Bundle(
            role=role,
            name=name,
            seed=secrets.token_bytes(32),
            index_key=self.index_key,
            root=self.root,
            recovery_public=self.recovery_public,
            recovery_generation=self.recovery_generation,
            recovery_private=self.recovery_private if role == "operator" else (),
        )


def first_operator(name: str) -> Bundle:
    """A new vault's keys."""
    seed = secrets.token_bytes(32)
    recovery = PrivateKey.generate()
    return Bundle(
        role="operator",
        name=name,
        seed=seed,
        index_key=secrets.token_bytes(32),
        root=bytes(SigningKey(seed).verify_key),
        recovery_public=bytes(recovery.public_key),
        recovery_generation=1,
        recovery_private=(RecoveryKey(generation=1, private=bytes(recovery)),),
    )
