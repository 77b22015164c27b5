"""What a machine takes for the steps that it bounds, with nothing around.

python -m bench.whole.floor lz4 IMAGE        all that is no hole is compressed, on every processor, and dropped
python -m bench.whole.floor disk IMAGE TO    it is written past the page cache and synced
"""

import mmap
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import local
from typing import BinaryIO

import numpy as np

from bench.whole.workload import no_holes
from understudy.native import lz4block

PAGE = 4096
PIECE = 4 << 20
FRAME = 256 << 10
"""As packs have them."""
DEPTH = 4
"""Pieces under way at the disk; with more none was faster."""

Run = tuple[int, int]
"""Offset and length."""
_own = local()


def main(arguments: list[str]) -> None:
    match arguments:
        case ["lz4", image]:
            with Path(image).open("rb") as source:
                each(len(os.sched_getaffinity(0)), pieces(source.fileno()), lambda run: compress(source.fileno(), run))
        case ["disk", image, to]:
            copy(Path(image), Path(to))
        case _:
            sys.exit(__doc__)


def pieces(descriptor: int) -> Iterator[Run]:
    """All that is no hole."""
    for start, end in no_holes(descriptor):
        for offset in range(start, end, PIECE):
            yield offset, min(PIECE, end - offset)


def compress(source: int, run: Run) -> int:
    """How many bytes it comes to."""
    if not hasattr(_own, "out"):
        _own.out = np.empty(PIECE // FRAME * lz4block.bound(FRAME), dtype=np.uint8)
    data = np.frombuffer(buffer(), dtype=np.uint8)[: run[1]]
    _filled(source, memoryview(data), run[0])
    lengths = np.array([min(FRAME, run[1] - at) for at in range(0, run[1], FRAME)])
    return int(lz4block.compress(data, lengths, _own.out, np.empty_like(lengths)))


def copy(image: Path, to: Path) -> None:
    to.touch(exist_ok=False)
    with image.open("rb") as source, past_the_cache(to, os.fstat(source.fileno()).st_size) as target:
        each(DEPTH, pieces(source.fileno()), lambda run: _written(source.fileno(), target.fileno(), run))
        os.fsync(target.fileno())


def past_the_cache(file: Path, size: int) -> BinaryIO:
    """The file, cut to so many bytes. A size of no whole pages, and a file system that has no such way, are measured as they are."""
    os.truncate(file, size)
    if size % PAGE == 0:
        with suppress(OSError):
            return open(file, "r+b", buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_DIRECT))
    return file.open("r+b", buffering=0)


def each(threads: int, runs: Iterator[Run], work: Callable[[Run], object]) -> None:
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, runs):
            pass


def buffer() -> mmap.mmap:
    """The thread's own, which begins at a page."""
    if not hasattr(_own, "buffer"):
        _own.buffer = mmap.mmap(-1, PIECE)
    return _own.buffer


def _written(source: int, past: int, run: Run) -> None:
    view = memoryview(buffer())[: run[1]]
    _filled(source, view, run[0])
    done = 0
    while done < run[1]:
        done += os.pwrite(past, view[done:], run[0] + done)


def _filled(descriptor: int, view: memoryview, offset: int) -> None:
    done = 0
    while done < len(view):
        got = os.preadv(descriptor, [view[done:]], offset + done)
        if not got:
            raise RuntimeError("the image is being cut")
        done += got


if __name__ == "__main__":
    main(sys.argv[1:])
