"""The kernel's table of mounts, and the tools that change it."""

import errno
import os
import re
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

PATIENCE = 600.0
"""Seconds for a file system to be mounted: it may have to replay what is read from far away."""
_ESCAPED = re.compile(r"\\(\d{3})")
_BUSY = os.strerror(errno.EBUSY).lower()


class Mounted(NamedTuple):
    point: str
    kind: str
    source: str


class Refused(Exception):
    """What `mount` or `umount` said."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said

    @property
    def busy(self) -> bool:
        return "busy" in self.said or _BUSY in self.said


def mounted_below(directory: str) -> list[Mounted]:
    """What is mounted below the directory, the newest last. Looks into no file system: one that does not answer delays nothing."""
    found = []
    with open("/proc/self/mountinfo", errors="surrogateescape") as table:
        for line in table:
            fields, _, rest = line.partition(" - ")
            point = _plain(fields.split()[4])
            if point.startswith(f"{directory}/"):
                kind, source, *_ = rest.split()
                found.append(Mounted(point, kind, _plain(source)))
    return found


def mount(kind: str, options: Sequence[str], device: str, point: str) -> None:
    """`Refused` if the kernel, or a helper, does not do it."""
    _run("mount", "-t", kind, "-o", ",".join(options), device, point)


def unmount(point: str) -> None:
    _run("umount", point)


def _run(*words: str) -> None:
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"{words[0]} did not end within {PATIENCE:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        # Its own name and the place come first, then what counts; where to read more follows on lines of its own.
        raise Refused(
            lines[0].removeprefix(f"{words[0]}: ").removeprefix(f"{words[-1]}: ") if lines else f"{words[0]} ended with {done.returncode}"
        )


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
