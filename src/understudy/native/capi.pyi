"""The C libraries behind the kernels, bound once at import to a table of typed function pointers."""

from typing import NamedTuple

class Library(NamedTuple):
    name: str
    provider: str
    version: str

class ProviderError(RuntimeError):
    """No provider has the function, or its known answer is wrong. The message names the library and the fix."""

def libraries() -> tuple[Library, ...]:
    """lz4, xxhash and sodium: which provider each came from ("wheel" or "system") and its version."""

def bind(provider: str) -> None:
    """Bind every library anew to "wheel" or "system" (for tests; not while kernels run). `ProviderError` leaves the old binding."""

def suites() -> tuple[int, ...]:
    """The AEAD suites that the bound libsodium has, the preferred one on this CPU first."""
