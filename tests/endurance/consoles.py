"""What the guests of two sites said while they ran, and when that was heard: what they acknowledged must be there at the next start."""

import asyncio
import contextlib
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations

from tests.live.two_sites import Home, SiteHouse
from understudy.demo.console import Acknowledgement, acknowledged_before
from understudy.errors import UnderstudyError

EVERY = 0.4
"""Seconds between two looks at the consoles."""
HOME = "home"
_SAID = re.compile(r"^@(ack|sum) (.*)$", re.MULTILINE)


@dataclass
class Heard:
    """One console's. `boots`: what each boot found, with the highest number that had been heard before."""

    read: int = 0
    acknowledged: list[Acknowledgement] = field(default_factory=list)
    boots: list[tuple[str, int]] = field(default_factory=list)
    looks: set[int] = field(default_factory=set)
    """The looks at which it had gone on."""

    @property
    def last(self) -> int:
        return self.acknowledged[-1].number if self.acknowledged else 0

    def before(self, instant: int) -> int:
        return acknowledged_before(self.acknowledged, instant)

    def hear(self, text: str, look: int) -> None:
        whole = text.rfind("\n") + 1
        now = time.time_ns()
        for word, rest in _SAID.findall(text[self.read : whole]):
            if word == "sum":
                self.boots.append((rest, self.last))
            elif rest.isdigit():
                self.acknowledged.append(Acknowledgement(now, int(rest)))
                self.looks.add(look)
        self.read = max(self.read, whole)


class Consoles:
    """Listens to all consoles until it is left. By `home`, or the site's name and the run's."""

    def __init__(self, home: Home, sites: list[SiteHouse]) -> None:
        self._home, self._sites = home, sites
        self.heard: defaultdict[str, Heard] = defaultdict(Heard)
        self._look = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> "Consoles":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _listen(self) -> None:
        while not self._over.wait(EVERY):
            self._look += 1
            self.heard[HOME].hear(self._home.console, self._look)
            for site in self._sites:
                for directory in sorted((site.directory / "state" / "vms").glob("*")):
                    with contextlib.suppress(UnderstudyError, OSError):
                        text = asyncio.run(site.hypervisor.console(directory.name)).decode(errors="replace")
                        self.heard[f"{site.site}:{directory.name}"].hear(text.replace("\r", ""), self._look)

    @property
    def look(self) -> int:
        return self._look

    def together(self, since: int) -> dict[str, int]:
        """Which copies of the machine ran at the same time since that look, and at how many looks in a row."""
        found: dict[str, int] = {}
        machines = [name for name in list(self.heard) if ":drill-" not in name]
        for one, other in combinations(machines, 2):
            both = {look for look in self.heard[one].looks & self.heard[other].looks if look > since}
            # One that stops and one that begins between two looks do not run at once.
            row = max((length for look in both if (length := _row(both, look)) > 1), default=0)
            if row:
                found[f"{one} and {other}"] = row
        return found

    def lost(self) -> list[str]:
        """Boots that found less than the same machine had acknowledged, or a write that was lost before a later one."""
        found = []
        for name, heard in list(self.heard.items()):
            for number, (words, last) in enumerate(list(heard.boots)):
                if not words.isdigit() or (number and int(words) < last):
                    found.append(f"{name}: boot {number + 1} found {words}, and {last} was acknowledged")
        return found


def _row(looks: set[int], first: int) -> int:
    length = 1
    while first + length in looks:
        length += 1
    return length
