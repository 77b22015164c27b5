"""Who has files open for writing on this host, as far as /proc shows: processes by their descriptors and mappings, loop devices."""

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TypeAlias

Inode: TypeAlias = tuple[int, int]
"""Device and number."""

LOOP_GET_STATUS64 = 0x4C05
INIT = 1
"""The only process that may keep to itself what it has open: it is nobody's tool."""
LISTINGS = 100
_GONE = {errno.ENOENT, errno.ESRCH, errno.ENXIO}


def opened(pid: int) -> dict[Inode, bool]:
    """The regular files that a process has open, and whether for writing. OSError if that cannot be seen."""
    found: dict[Inode, bool] = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            status = os.stat(f"/proc/{pid}/fd/{name}")
            if stat.S_ISREG(status.st_mode):
                inode = status.st_dev, status.st_ino
                found[inode] = found.get(inode, False) or _writable(pid, name)
        except OSError as error:
            if error.errno not in _GONE:
                raise
    return found


def writers(wanted: Collection[Inode]) -> dict[Inode, set[int | str]]:
    """For each of these inodes the processes (by number) and devices (by name) that may write to it.

    OSError, with its name, if one cannot be looked into: then it might. Blocks for some tens of milliseconds.
    """
    found: dict[Inode, set[int | str]] = {inode: set() for inode in wanted}
    numbers = {number: (device, number) for device, number in wanted}
    for pid in _processes():
        try:
            for inode, writable in opened(pid).items():
                if writable and inode in found:
                    found[inode].add(pid)
            for number in _mapped(pid):
                if number in numbers:
                    found[numbers[number]].add(pid)
        except OSError as error:
            if error.errno not in _GONE and pid != INIT:
                raise OSError(error.errno, f"process {pid} cannot be looked into") from error
    for device, number in _loops():
        # Which device of an inode's a loop device means is told in another way; the number alone is doubt enough.
        if number in numbers:
            found[numbers[number]].add(device)
    return found


def _processes() -> Iterator[int]:
    """All there are, those included that others leave behind while these are looked into."""
    seen: set[int] = set()
    for _ in range(LISTINGS):
        new = {int(name) for name in os.listdir("/proc") if name.isdigit()} - seen
        if not new:
            return
        yield from new
        seen |= new
    raise OSError(errno.EAGAIN, "processes come faster than they can be looked into")


def _writable(pid: int, name: str) -> bool:
    with open(f"/proc/{pid}/fdinfo/{name}") as file:
        flags = next(int(line.split()[1], 8) for line in file if line.startswith("flags:"))
    return flags & os.O_ACCMODE != os.O_RDONLY and not flags & os.O_PATH


def _mapped(pid: int) -> Iterator[int]:
    """Numbers of inodes that are mapped shared and writable."""
    with open(f"/proc/{pid}/maps", errors="replace") as file:
        for line in file:
            _, rights, _, _, inode, *_ = line.split(maxsplit=5)
            if rights[1] == "w" and rights[3] == "s" and inode != "0":
                yield int(inode)


def _loops() -> Iterator[tuple[str, int]]:
    for directory in Path("/sys/block").glob("loop*/loop"):
        name = directory.parent.name
        descriptor = os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = fcntl.ioctl(descriptor, LOOP_GET_STATUS64, bytes(232))
            yield name, struct.unpack_from("=QQ", status)[1]
        except OSError as error:
            if error.errno not in _GONE:
                raise
        finally:
            os.close(descriptor)
