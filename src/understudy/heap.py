"""Memory that large blocks took goes back to the system, with GNU's C library; with another one nothing happens."""

import ctypes
from contextlib import suppress
from typing import NamedTuple

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8


class Bounds(NamedTuple):
    """`large`: bytes from which on a block is mapped by itself, and gone when it is free. By itself the library would raise that to the
    largest block that was ever free, and keep those like it for what lies between smaller things that live on. `arenas`: for all others.
    `spare`: bytes that may be free at the end of an arena's before they go back."""

    large: int
    arenas: int
    spare: int


LASTING = Bounds(large=1 << 20, arenas=4, spare=128 << 10)
"""For a process that waits most of its life. Hundreds of threads that are idle mostly would fill four times as many arenas, each with
gaps of its own."""
BRIEF = Bounds(large=32 << 20, arenas=1, spare=64 << 20)
"""For a command: what it reads packs into is used again, but by whichever thread comes next. Verifying 2 GiB of which every second block is
data took 180 to 200 MiB, and 320 without; 2.7 GiB of files 180 to 200, and 250; neither took longer. Where smaller blocks are mapped it
takes 0.5 s more of the kernel's. What is free comes and goes 16 MiB at a time: with the library's 128 KiB to spare a restore of 2.7 GiB
fetched 200 000 pages, and took 6.8 s, 1.9 of them the kernel's; so it fetches 33 000, and takes 6.2 and 1.6, in four of four turns."""


def bound(bounds: Bounds) -> None:
    """To be called before there are threads."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, bounds.large)
        library.mallopt(_ARENA_MAX, bounds.arenas)
        library.mallopt(_TRIM_THRESHOLD, bounds.spare)


def give_back() -> None:
    """Blocks for some milliseconds, without the interpreter's lock."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
