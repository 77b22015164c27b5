"""A guest with a tally on a bare disk and a database on an ext4, and what it says of both: at each boot, and as it goes on."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.live.opened import opened
from tests.live.two_sites import Home, compiled
from understudy.demo.accelerator import find_accelerator
from understudy.demo.disks import make_disk
from understudy.demo.kit import build_kit
from understudy.errors import UnderstudyError

TALLIES = 128 << 20
"""Room for an hour's."""
LEDGER = 128 << 20
LOOK = 0.4
SCRIPT = r"""
for module in $(cat /modules/on-request); do insmod "/modules/$module"; done
until [ -b /dev/vda ] && [ -b /dev/vdb ]; do usleep 20000; done
for keys in /dev/input/event*; do (head -c 24 $keys >/dev/null; echo @button; sync; poweroff -f) & done
mount -t ext4 /dev/vdb /mnt && umount /mnt
e2fsck -f -n /dev/vdb >/tmp/fsck 2>&1
echo "@fsck $? $(tr '\n' ' ' </tmp/fsck)"
mount -t ext4 -o noatime /dev/vdb /mnt
ledger /mnt/ledger &
tally /dev/vda
"""
"""Mounting replays the journal; what that leaves is judged."""


class Count(NamedTuple):
    """The last tally and the last row."""

    tally: int
    row: int


class Boot(NamedTuple):
    """What one boot found, in its own words. `ledger` begins with the last row's number, if the database is whole."""

    fsck: str
    tally: str
    ledger: str

    @property
    def count(self) -> Count | None:
        """None where something of it is not whole."""
        whole = self.fsck.startswith("0 ") and self.tally.isdigit() and self.ledger.isdigit()
        return Count(int(self.tally), int(self.ledger)) if whole else None


def home_of(directory: Path) -> Home:
    kit = build_kit()
    directory.mkdir()
    make_disk(directory / "vdb.raw", "raw", LEDGER)
    library = opened("libsqlite3-dev", "sqlite", "sqlite3.h", "libsqlite3.a")
    # What the library can load at run time is not loaded by a guest that has no libraries; the linker warns of it.
    more = (f"-I{library}", library / "libsqlite3.a", "-lm", "-Wl,--no-warnings")
    ledger = compiled(Path(__file__).with_name("ledger.c"), directory, *more)
    programs = {"/bin/ledger": ledger}
    accelerator = find_accelerator(kit).accelerator
    return Home(directory, kit, accelerator, size=TALLIES, script=SCRIPT, programs=programs, more=("vdb",))


def acknowledged(console: str) -> Count:
    """Another process of the guest's may speak in the midst of a line: then a lower number is read, never a higher one."""
    return Count(*(max(map(int, re.findall(rf"^@{word} (\d+)", console, re.MULTILINE)), default=0) for word in ("ack", "row")))


def boots(console: str) -> list[Boot]:
    """Those that have found all three."""
    found = [re.findall(rf"^@{word} (.*)$", console.replace("\r", ""), re.MULTILINE) for word in ("fsck", "sum", "ledger")]
    return [Boot(*one) for one in zip(*found, strict=False)]


class Watch:
    """What had been acknowledged by when. It is read after the fact: no instant is credited with what was not durable then."""

    def __init__(self, console: Callable[[], str]) -> None:
        self._console = console
        self._seen: list[tuple[int, Count]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def before(self, instant: int) -> Count:
        return max((count for at, count in self._seen if at < instant), default=Count(0, 0))

    def end(self) -> Count:
        """All that was heard."""
        self._over.set()
        self._thread.join()
        return self._seen[-1][1] if self._seen else Count(0, 0)

    def _look(self) -> None:
        while True:
            last = self._over.wait(LOOK)
            try:
                said = acknowledged(self._console())
                self._seen.append((time.time_ns(), said))
            except UnderstudyError:
                # Its QEMU was killed, or has just another client.
                pass
            if last:
                return
