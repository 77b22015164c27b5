"""What a daemon under load is seen to do, from outside: how fast it answers, what it takes, what it promised."""

import json
import os
import re
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.daemon.house import House, Line

SELDOM = ("/metrics", 15.0)
"""What is asked so often only, in seconds."""
PATHS = (
    "/v1/machines/{m}",
    "/v1/health",
    "/v1/jobs?limit=20",
    "/v1/events?limit=50",
    "/v1/machines/{m}/points",
    "/v1/machines?limit=1000",
)


def resources(pid: int) -> dict[str, int]:
    """Memory in MiB (`mapped`: files; `peak`: the most that was resident at any time), descriptors and threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    mib = {
        name: int(re.search(rf"^{field}:\s+(\d+)", status, re.M)[1]) >> 10
        for name, field in (("resident", "VmRSS"), ("mapped", "RssFile"), ("peak", "VmHWM"))
    }  # type: ignore[index]
    return {**mib, "descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": len(os.listdir(f"/proc/{pid}/task"))}


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] if values else 0.0


class Observer:
    """Asks one thing after the other while it is entered, and remembers how long each answer took."""

    def __init__(self, house: House, names: list[str], pause: float = 0.05) -> None:
        self._house = house
        self._names = names
        self._pause = pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="observer")
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.late: list[tuple[str, float, float]] = []
        """Machines whose RPO was beyond its warning: name, RPO, threshold."""

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        line, turn, scraped = Line(self._house.socket), 0, 0.0
        while not self._over.wait(self._pause):
            path = PATHS[turn % len(PATHS)]
            turn += 1
            if time.monotonic() - scraped > SELDOM[1]:
                path, scraped = SELDOM[0], time.monotonic()
            asked = path.replace("{m}", self._names[turn % len(self._names)])
            began = time.perf_counter()
            line.request("GET", asked)
            answer = line.getresponse()
            body = answer.read()
            self.seconds[path].append(time.perf_counter() - began)
            assert answer.status == 200, (asked, answer.status, body)
            if path.startswith("/v1/machines?"):
                self._look(json.loads(body)["items"])
        line.close()

    def _look(self, machines: list[dict[str, Any]]) -> None:
        for machine in machines:
            rpo = machine["rpo_seconds"]
            if rpo is not None and rpo > machine["warning_rpo"]:
                self.late.append((machine["name"], round(rpo, 1), machine["warning_rpo"]))

    def figures(self) -> dict[str, Any]:
        """Milliseconds, of all and of each kind of question."""
        every = [took for all_ in self.seconds.values() for took in all_]
        kinds = {path: f"{percentile(took, 0.5) * 1e3:.1f} / {percentile(took, 0.99) * 1e3:.1f}" for path, took in self.seconds.items()}
        return {
            "asked": len(every),
            "p50": round(percentile(every, 0.5) * 1e3, 1),
            "p99": round(percentile(every, 0.99) * 1e3, 1),
            "p50 / p99": kinds,
        }


def committed(house: House) -> dict[str, int]:
    """What the daemon says is the newest point of each machine."""
    return {machine["name"]: machine["newest_point"] or 0 for machine in house.ask("GET", "/v1/machines?limit=1000")["items"]}


def overlapping(points: list[dict[str, Any]], ends: dict[int, int]) -> list[str]:
    """Cycles of a machine that began before the one before had ended, or came out of order.

    `points`: all that the vault has, oldest first. `ends`: when a point's cycle ended, of those that lived to tell; a killed one ended
    after its freeze at least.
    """
    found, ended = [], 0
    for point in points:
        if point["frozen_at"] <= ended:
            found.append(f"point {point['number']}")
        ended = max(ended, ends.get(point["number"], point["frozen_at"]))
    return found


def all_points(house: House, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Oldest first, and what of its log does not count."""
    page = house.ask("GET", f"/v1/machines/{name}/points?limit=1000")
    found = page["points"]
    while page["next"]:
        page = house.ask("GET", f"/v1/machines/{name}/points?limit=1000&next={page['next']}")
        found = page["points"] + found
    return found, page["void"]


def all_events(house: House, kind: str, after: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := house.ask("GET", f"/v1/events?after={after}&limit=1000&kind={kind}")["items"]:
        found += page
        after = page[-1]["id"]
    return found
