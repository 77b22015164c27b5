"""An open file or device once more, past the page cache (O_DIRECT).

For images that are not read again soon, or do not fit into memory, so that no guest's pages make room for them; and for proving what
somebody else may have written, or a disk have turned, since. With the cache, writing 2.8 GiB took 1 s more of a processor, but proving them
0.3 s and not 2: restoring them took 3.7 s instead of 6.5 (middle of four, in turns).
"""

import errno
import os
from contextlib import suppress

from understudy.pages import PAGE, begins_at_a_page

LEAST = 128 << 10
"""Bytes in one run from which on it pays: below that, waiting for the disk costs more than copying."""


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
        return self._moved(view, offset, write=True)

    def read(self, view: memoryview, offset: int) -> int:
        """Bytes that were read, to the beginning of `view`."""
        return self._moved(view, offset, write=False)

    def close(self) -> None:
        """With no call under way."""
        if self._fd is not None:
            os.close(self._fd)

    def _moved(self, view: memoryview, offset: int, *, write: bool) -> int:
        whole, done = len(view) // PAGE * PAGE, 0
        if self._fd is None or not self._usable or whole < LEAST or offset % PAGE or not begins_at_a_page(view):
            return 0
        call = os.pwritev if write else os.preadv
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
