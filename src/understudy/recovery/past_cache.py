"""An open file or device once more, past the page cache (O_DIRECT).

For images that are not read again soon, or do not fit into memory, so that no guest's pages make room for them; and for proving what
somebody else may have written, or a disk have turned, since. With the cache, writing 2.8 GiB took 1 s more of a processor, but proving them
0.3 s and not 2: restoring them took 3.7 s instead of 6.5 (middle of four, in turns).
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress

from understudy.pages import PAGE, begins_at_a_page

LEAST = 128 << 10
"""Bytes in one run from which on writing pays: below that, waiting for the disk costs more than copying."""


class PastCache:
    """Moves what it can, and says how much that was; the rest is the caller's, through the cache. Any thread."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = None
        # A file system without it says so here, or at the first call.
        with suppress(OSError):
            self._fd = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC | os.O_DIRECT)
        self._usable = self._fd is not None

    def write(self, view: memoryview, offset: int) -> int:
        """Bytes that are written now, from the beginning of `view` on."""
        return self._moved(view, offset, LEAST, os.pwritev)

    def read(self, view: memoryview, offset: int) -> int:
        """Bytes that were read, to the beginning of `view`: fewer than its whole pages where the file ends there."""
        return self._moved(view, offset, PAGE, os.preadv)

    def close(self) -> None:
        """With no call under way."""
        if self._fd is not None:
            os.close(self._fd)

    def _moved(self, view: memoryview, offset: int, least: int, call: Callable[[int, list[memoryview], int], int]) -> int:
        whole, done = len(view) // PAGE * PAGE, 0
        if self._fd is None or not self._usable or whole < least or offset % PAGE or not begins_at_a_page(view):
            return 0
        try:
            while done < whole and done % PAGE == 0:  # what was moved in part would go on within a page
                got = call(self._fd, [view[done:whole]], offset + done)
                if not got:
                    break
                done += got
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self._usable = False
        return done
