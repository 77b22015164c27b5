"""inotify for some files: what happened to each, in order."""

import errno
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from asyncinotify import Event, Inotify, Mask

from understudy.source.image_state import Happening

QUIET = Mask.OPEN | Mask.CLOSE_WRITE | Mask.CLOSE_NOWRITE
"""For files that a VM writes to: what it does itself is not told."""
ALL = QUIET | Mask.MODIFY

_MEANING = {
    Mask.Q_OVERFLOW | Mask.IGNORED | Mask.UNMOUNT: Happening.LOST,
    Mask.OPEN: Happening.OPEN,
    Mask.MODIFY: Happening.WRITE,
    Mask.CLOSE_WRITE: Happening.CLOSE,
    Mask.CLOSE_NOWRITE: Happening.LEAVE,
}


_LIMITS = {
    errno.EMFILE: "this user's inotify instances or fanotify groups, or this process's files, are used up "
    "(sysctl fs.inotify.max_user_instances, fs.fanotify.max_user_groups)",
    errno.ENOSPC: "this user's inotify watches are used up (sysctl fs.inotify.max_user_watches)",
}


def why_not(error: OSError) -> str:
    """Why the kernel does not tell of files: its own words for limits that are reached lead nobody to them."""
    return _LIMITS.get(error.errno or 0) or error.strerror or str(error)


class FileEvents:
    """`report` gets the file's path, None for all of them, and what happened."""

    def __init__(self, report: Callable[[str | None, Happening], None]) -> None:
        self._report = report
        self._longest = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text()) + 1
        self._inotify = Inotify(sync_timeout=0)
        self._paths: dict[int, str] = {}

    @property
    def descriptor(self) -> int:
        """Readable when there is something to drain."""
        return self._inotify.fd

    def watch(self, path: str, mask: Mask, descriptor: int) -> None:
        """From now on the file that is open as `descriptor`; said again: by another mask. OSError if it cannot be."""
        self._paths[self._inotify.add_watch(f"/proc/self/fd/{descriptor}", mask).wd] = path

    def drain(self) -> bool:
        """Report what has happened up to now; whether anything has. Does not wait."""
        some = False
        # Whoever writes without a pause would keep this going for ever.
        for event in islice(self._inotify, self._longest):
            some = True
            path = self._paths.get(event.watch.wd) if event.watch is not None else None
            for happening in _happenings(event):
                self._report(path, happening)
        return some

    def close(self) -> None:
        self._inotify.close()


def _happenings(event: Event) -> Iterator[Happening]:
    for mask, happening in _MEANING.items():
        if event.mask & mask:
            yield happening
