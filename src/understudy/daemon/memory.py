"""Memory that large blocks took goes back to the system, with GNU's C library; with another one nothing happens."""

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD = -3
_ARENA_MAX = -8
LARGE = 1 << 20
"""Bytes from which on a block is mapped by itself, and gone when it is free. By itself the library would raise that to the largest block
that was ever free, and keep those like it for what lies between smaller things that live on."""
ARENAS = 4
"""Of small things. Hundreds of threads that are idle mostly would fill four times as many, each with gaps of its own."""


def bound() -> None:
    """To be called before there are threads."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, LARGE)
        library.mallopt(_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Blocks for some milliseconds, without the interpreter's lock."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
