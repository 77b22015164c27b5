"""Become a run's QEMU, if that run is still wanted and nobody is it already.

A process of its own, since a service manager starts it and no lock of ours passes through that. The lock that it takes here is QEMU's from
then on; the run's token in the locked file says that it was taken.
"""

import os
import sys
from pathlib import Path

from understudy.errors import UnderstudyError
from understudy.hypervisor.qemu.locks import taken
from understudy.hypervisor.qemu.places import Places
from understudy.hypervisor.qemu.record import read


def main(directory: str, token: str) -> None:
    places = Places(Path(directory))
    fd = taken(places.life)
    if fd is None:
        sys.exit("another process is this run already")
    record = read(places)
    if record is None or record.token != token or record.ended:
        sys.exit("this run is not wanted any more")
    os.ftruncate(fd, 0)
    os.pwrite(fd, token.encode(), 0)
    os.set_inheritable(fd, True)
    os.chdir("/")
    os.execvp(record.command[0], record.command)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (UnderstudyError, OSError) as failure:
        sys.exit(f"QEMU was not started: {failure}")
