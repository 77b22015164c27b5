"""What tells that a file has not been written, and whether its file system can be believed in that."""

import ctypes
import errno
import fcntl
import os
import signal
import stat
import time
from dataclasses import dataclass

TICK = 0.05
"""Seconds that surely tell two times of writing apart (kernels stamp them at their timer's pace, 1 to 10 ms)."""
SECOND = 1_000_000_000
PATIENCE = 2.0
"""Seconds for a file to come to rest: whoever closes it is heard of just before the kernel lets go of it."""

LOCAL = {0xEF53: "ext4", 0x58465342: "xfs", 0x9123683E: "btrfs", 0xF2F52010: "f2fs"}
"""File systems, by their magic numbers, that stamp every write, tell this host of all of them, and grant leases."""

F_SETSIG = 10
_INITIAL_PIDS = 0xEFFFFFFC
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Facts:
    """A file at one moment. `modified`: mtime, ns. Its owner and mode are left out: who starts a VM may change them."""

    device: int
    inode: int
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process, not to be mistaken for a later one of the same number."""

    pid: int
    started: int
    """Clock ticks after this host's boot."""


def process(pid: int) -> Process:
    """OSError if there is none. 0, which the kernel gives for processes that cannot be seen from here, is none either."""
    if not pid:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    with open(f"/proc/{pid}/stat", "rb") as file:
        return Process(pid, int(file.read().rpartition(b")")[2].split()[19]))


def facts(file: int | str) -> Facts:
    """Of a descriptor, or of what has this name now. OSError if there is none."""
    found = os.stat(file)
    return Facts(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def obstacle(path: str) -> str:
    """Why nothing that is seen of this file can be relied on; empty: it can. OSError if there is none."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return f"{path} is no regular file, so writes to it can go unseen"
    if os.stat("/proc/self/ns/pid").st_ino != _INITIAL_PIDS:
        return "understudy cannot see this host's other processes (it runs in a container)"
    if _magic(path) not in LOCAL:
        return f"{path} is on a file system whose writes can go unseen; those of {', '.join(LOCAL.values())} do not"
    return ""


def unwritten(descriptor: int) -> bool:
    """Whether nobody, not the kernel itself either, has the file open for writing. `descriptor` is open for reading only."""
    # Who opens it in this very moment waits until the lease is given back, and the kernel tells us so: by default with a deadly signal.
    fcntl.fcntl(descriptor, F_SETSIG, signal.SIGURG)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


def at_rest(descriptor: int) -> Facts | None:
    """Wait until any later write would show in the file's facts; None if it does not come to rest. Blocks."""
    # Nothing that the kernel still has to write shall alter them later.
    os.fsync(descriptor)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = facts(descriptor)
        # Old ext file systems have whole seconds only.
        grain = TICK * SECOND + (0 if found.modified % SECOND else SECOND)
        if found.modified + grain < time.time_ns() and unwritten(descriptor) and facts(descriptor) == found:
            return found
        time.sleep(TICK / 5)
    return None


def _magic(path: str) -> int:
    # struct statfs begins with its f_type, a long, on every architecture but s390x; there nothing is recognised.
    buffer = ctypes.create_string_buffer(512)
    if _libc.statfs(os.fsencode(path), buffer):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return ctypes.c_ulong.from_buffer(buffer).value
