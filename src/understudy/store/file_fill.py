"""Writing what an object holds to its new file.

A pack goes past the page cache, whole pages of it from where it lies in memory. It is read again by a restore at the earliest: through
the cache, 512 MiB in files of 16 MiB took 0.3 to 0.5 s of a processor and 2.4 to 4.6 s until all were durable; past it 0.02 s and 0.7 to
2 s, in turns on a busy host. And a guest's own pages are not pushed out.
What cannot be written so, the last bytes or all of it on a file system that knows no O_DIRECT, is written as ever.
"""

import errno
import fcntl
import os
from collections.abc import Sequence

import numpy as np

from understudy.model import BytesLike
from understudy.pages import PAGE, begins_at_a_page

DIRECT = 1 << 20
"""Bytes from which on it pays: below that, waiting for the disk costs more than copying."""
_IOV_MAX = 1024


def fill(fd: int, buffers: Sequence[BytesLike]) -> None:
    """Append `buffers` to an empty file of ours; it is durable, but for its name, when this returns. Blocks.

    Only a first buffer that begins at a page of memory can go past the cache.
    """
    views = [memoryview(part.data if isinstance(part, np.ndarray) else part).cast("B") for part in buffers if len(part)]
    if views and views[0].nbytes >= DIRECT and begins_at_a_page(views[0]):
        _write_past_the_cache(fd, views)
    while views:
        _take(views, os.writev(fd, views[:_IOV_MAX]))
    os.fsync(fd)


def _write_past_the_cache(fd: int, views: list[memoryview]) -> None:
    """As many whole pages of the first as the file system takes so, and take them off."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_DIRECT)
        left = views[0].nbytes // PAGE * PAGE
        while left % PAGE == 0 < left:  # what was taken in part would go on within a page
            written = os.write(fd, views[0][:left])
            _take(views, written)
            left -= written
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)


def _take(views: list[memoryview], written: int) -> None:
    """Take so many bytes off their beginning."""
    done = 0
    while done < len(views) and written >= views[done].nbytes:
        written -= views[done].nbytes
        done += 1
    del views[:done]
    if written:
        views[0] = views[0][written:]
