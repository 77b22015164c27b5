"""Two real daemons that can be halted at a step, a guest that keeps a tally, and what is held of them whatever was done to them."""

import asyncio
import contextlib
import http.client
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.daemon.observer import all_points
from tests.endurance.consoles import HOME, Consoles
from tests.endurance.halting import HALT, STEPS
from tests.live.two_sites import NAME, Home, SiteHouse, two_sites, until
from tests.live.vaults import Kind
from understudy.demo.accelerator import Finding
from understudy.demo.kit import Kit
from understudy.failover.table import allowed

ROOT = Path(__file__).parents[2]
HALTING = (sys.executable, "-m", "tests.endurance.halting")
FULL = 3300
"""Tallies after which a guest's disk has no room for much more."""
PATIENCE = 300.0
"""Seconds for what comes by itself, on a host that is busy with other things."""


class Broken(Exception):
    """A promise does not hold."""


@dataclass
class World:
    a: SiteHouse
    b: SiteHouse
    home: Home
    consoles: Consoles
    source: str = HOME
    """The console of what is replicated."""
    steps: dict[str, int] = field(default_factory=dict)
    """How much of each site's steps was read."""
    absent: set[str] = field(default_factory=set)
    """Sites of which no answer is expected."""

    @property
    def sites(self) -> dict[str, SiteHouse]:
        return {"a": self.a, "b": self.b}

    def other(self, site: SiteHouse) -> SiteHouse:
        return self.b if site is self.a else self.a

    def asked(self, site: SiteHouse, path: str) -> Any:
        """None if it does not answer, or not well."""
        if site.process is None:
            return None
        with contextlib.suppress(AssertionError, OSError, http.client.HTTPException, ValueError):
            return site.ask("GET", path)
        return None

    def standing(self, site: SiteHouse) -> Any:
        return self.asked(site, f"/v1/machines/{NAME}/failover")

    def under_way(self) -> bool:
        """Whether a job of either site's is not at its end, or it is not known."""
        for name, site in self.sites.items():
            if name in self.absent:
                continue
            found = self.asked(site, "/v1/jobs?state=pending&state=running&state=waiting")
            if found is None or any(job["actor"] != "maintenance" for job in found["items"]):
                return True
        return False

    def halt_at(self, site: SiteHouse, kind: str, step: str) -> None:
        (site.directory / HALT).write_text(f"{kind} {step}\n")

    def no_halt(self) -> None:
        for site in self.sites.values():
            (site.directory / HALT).unlink(missing_ok=True)

    def new_steps(self) -> list[tuple[str, str, str]]:
        """Site, kind of job and step of each that was come to since this was asked last."""
        found = []
        for name, site in self.sites.items():
            path = site.directory / STEPS
            text = path.read_text() if path.exists() else ""
            found += [(name, *line.split(" ", 1)) for line in text[self.steps.get(name, 0) :].splitlines()]
            self.steps[name] = len(text)
        return [(site, kind, step) for site, kind, step in found]

    @staticmethod
    def stands_still(pid: int) -> bool:
        """By a signal."""
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def halted(self, site: SiteHouse) -> bool:
        assert site.process is not None
        return self.stands_still(site.process.pid)

    def go_on(self, site: SiteHouse) -> None:
        if site.process is not None and site.process.poll() is None:
            site.send(signal.SIGCONT)

    def runs(self, site: SiteHouse, *, drills: bool = False) -> dict[str, int]:
        """The process of each that lives."""
        found = {}
        for run in asyncio.run(site.hypervisor.find()):
            if run.startswith("drill-") == drills:
                state = asyncio.run(site.hypervisor.state(run))
                if state.alive and state.process:
                    found[run] = state.process
        return found

    def home_alive(self) -> bool:
        return self.home.process is not None and self.home.process.poll() is None

    def source_process(self) -> int:
        """0: it does not live."""
        if self.source == HOME:
            return self.home.process.pid if self.home_alive() and self.home.process else 0
        site, run = self.source.split(":")
        return self.runs(self.sites[site]).get(run, 0)

    def until(self, what: Callable[[], Any], words: str, patience: float = PATIENCE) -> Any:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.3)
        raise Broken(f"within {patience:g} s it does not come: {words}")

    def primary(self) -> tuple[str, str, str]:
        """Phase, site and console of the machine, which both sites agree on, with what the table allows at each."""

        def agree() -> Any:
            said = [self.standing(site) for site in self.sites.values()]
            if any(standing is None for standing in said):
                return None
            one, two = said
            same = (one["phase"], one["site"], one["epoch"]) == (two["phase"], two["site"], two["epoch"])
            return said if same and one["primary"] != two["primary"] else None

        said = self.until(agree, "both sites say where the machine is, and one of them that it is there", 60)
        for standing in said:
            possible = set(allowed(standing["phase"], primary=standing["primary"])) - {"start"}
            if set(standing["allowed"]) - {"start"} != possible:
                raise Broken(f"in {standing['phase']} (primary: {standing['primary']}) it allows {standing['allowed']}, not {possible}")
        (mine,) = [standing for standing in said if standing["primary"]]
        where = mine["site"]
        # For a moment after its daemon's start isolation may hold it: its time went on while that was down.
        running = [run["run"] for run in mine["runs"] if run["status"] in ("running", "paused") and not run["kept"]]
        return mine["phase"], where, f"{where}:{running[0]}" if running else HOME if where == "a" else ""

    def points(self, site: SiteHouse) -> list[dict[str, Any]]:
        return all_points(site, NAME)[0]

    def point_of(self, console: str) -> dict[str, Any]:
        """That the run began from."""
        site, run = console.split(":")
        (found,) = [one["point"] for one in self.standing(self.sites[site])["runs"] if one["run"] == run]
        return next(point for point in self.points(self.sites[site]) if point["id"] == found)

    def goes_on(self, console: str) -> None:
        """What is there writes still."""
        before = self.consoles.heard[console].last
        self.until(lambda: self.consoles.heard[console].last > before + 1, f"{console} writes (it had written {before})", 90)

    def began_well(self, console: str, *, all_of_it: bool) -> tuple[int, int, int]:
        """What its first boot found: all that had been acknowledged when its point was frozen; or all there was. Least, found, most."""
        heard, source = self.consoles.heard[console], self.consoles.heard[self.source]
        point = self.point_of(console)
        self.until(lambda: heard.boots, f"{console} says what it found", 90)
        words, _ = heard.boots[0]
        least = source.last if all_of_it else source.before(point["frozen_at"])
        # The last second may not have been heard of what was killed.
        most = source.last + 30
        if not words.isdigit() or not least <= int(words) <= most:
            raise Broken(f"{console} began from point {point['number']} with {words}; {least} to {most} were expected of {self.source}")
        return least, int(words), source.last

    @staticmethod
    def kill(pid: int) -> bool:
        """Whether there was any. 0 is none."""
        with contextlib.suppress(ProcessLookupError):
            if pid:
                os.kill(pid, signal.SIGKILL)
        return bool(pid)

    def stands_in(self, primary: SiteHouse, console: str) -> None:
        """The former site has become the stand-in: its VM has ended, and it is the new one that is replicated."""

        def requests() -> Any:
            return [asked for asked in (self.standing(primary) or {"requests": []})["requests"] if asked["action"] == "standby"]

        def answered() -> bool:
            found = requests()
            return bool(found) and all(asked["outcome"] == "done" for asked in found)

        try:
            self.until(answered, "the former site is the stand-in", 150)
        except Broken as error:
            raise Broken(f"{error}: {requests()}") from None
        if self.source_process():
            raise Broken(f"{self.source} has a process still")
        self.source = console

    def must_be_sound(self) -> None:
        for what, found in (("lost", self.consoles.lost()), ("faults", self.faults()), ("void records", all_points(self.b, NAME)[1])):
            if found:
                raise Broken(f"{what}: {found}")

    def faults(self) -> list[str]:
        return [f"{name}: {line[:300]}" for name, site in self.sites.items() for line in site.log.splitlines() if "daemon.fault" in line]


@contextlib.contextmanager
def world(
    directory: Path, kit: Kit, accelerator: Finding, kind: Kind = "file", *, inside: Sequence[Sequence[str]] = ((), ()), listen: str = ""
) -> Iterator[World]:
    """As `two_sites` has it. `inside`: what runs each site's commands in a network of its own."""
    within = [(*words, *HALTING) for words in inside]
    with (
        two_sites(directory, kit, accelerator.accelerator, kind, within=within, listen=listen) as (a, b, home),
        Consoles(home, [a, b]) as consoles,
    ):
        a.patience = b.patience = PATIENCE
        # Of points that are older than what was heard first it is not known what they must hold.
        until(lambda: consoles.heard[HOME].last)
        a.points(NAME, a.machine(NAME)["points"] + 2)
        yield World(a, b, home, consoles)


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="us-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def ready() -> None:
    """Daemons are found from wherever this is run, and end with it when it is told to end."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
