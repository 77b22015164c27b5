"""Memory that large blocks took goes back to the system: the C library keeps what lies between smaller things that live on."""

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Blocks for some milliseconds, without the interpreter's lock. Nothing happens with another C library than GNU's."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
