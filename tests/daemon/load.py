"""Many machines on short policies, on a small host: `make load ARGS="--machines 100 --guests 2 --minutes 15 --kills 50"`.

Three parts, each left out with 0: the promises under a steady load; SIGKILL at random under it; the wall clock set by hours, both ways.
Ends with an error if a promise was broken; figures are printed as they come.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tests.daemon.clock import Clock
from tests.daemon.crowd import INTERVALS, Crowd, Disk
from tests.daemon.house import House
from tests.daemon.observer import Observer, all_events, all_points, committed, overlapping, resources
from understudy.demo.accelerator import find_accelerator
from understudy.demo.console import Verdict, acknowledged_before
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.demo.kit import build_kit
from understudy.demo.machine import GuestDisk

HOURS = 5
MOST_MEMORY = 256
"""MiB of a daemon with a hundred machines, beside the files that it maps."""


class Load:
    """One house full of machines."""

    def __init__(self, directory: Path, machines: int, rate: float, intervals: tuple[int, ...], timed: bool) -> None:
        """`timed`: this host has time enough, so that what takes too long is wrong."""
        self.timed = timed
        self.clock = Clock(directory)
        self.house = House(directory, policy={"interval": "5s", "verify-every": "10m"})
        self.house.patience = 300.0 if timed else 60.0
        self.house.environment = self.clock.environment
        self.house.create()
        self.crowd = Crowd(directory / "disks", machines, rate)
        self.intervals = intervals
        self.guests: dict[str, Guest] = {}
        self.run = secrets.token_hex(8)
        """Marks the guests' records."""
        self.wrong: list[str] = []
        self.chance = random.Random(2)

    def say(self, what: str, **figures: Any) -> None:
        print(what, json.dumps(figures), flush=True)

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)
            print("WRONG:", what, flush=True)

    @property
    def names(self) -> list[str]:
        return [disk.name for disk in self.crowd.disks] + list(self.guests)

    def begin(self) -> None:
        """All protected, with policies of their own, and a point of each."""
        self.house.start()
        for number, disk in enumerate(self.crowd.disks):
            self._protect(disk.name, {"kind": "block", "disks": {"vda": str(disk.path)}}, self._interval(number))
        for name, guest in self.guests.items():
            self._protect(name, {"kind": "qemu", "qmp": str(guest.qmp)}, min(self.intervals))
        self.house.until(lambda: all(committed(self.house).values()))
        self.crowd.start()

    def _protect(self, name: str, source: dict[str, Any], interval: int) -> None:
        self.house.ask("POST", "/v1/machines", {"name": name, "source": source})
        self.house.ask("PUT", f"/v1/machines/{name}/policy", {"interval": interval, "verify_every": 600})
        self.house.ask("PUT", f"/v1/machines/{name}/retention", {"all_for": (HOURS - 1) * 3600, "least": 3})

    def steady(self, seconds: float) -> None:
        """RPO thresholds hold, the API answers soon, nothing grows."""
        assert self.house.process is not None
        pid = self.house.process.pid
        seen: list[dict[str, int]] = []
        made = sum(self._made().values())
        began = time.monotonic()
        with Observer(self.house, self.names) as observer:
            while time.monotonic() - began < seconds:
                time.sleep(seconds / 15)
                health = self.house.ask("GET", "/v1/health")
                seen.append(resources(pid) | {"tasks": health["tasks"]})
                self.say("meanwhile", **seen[-1], lag=round(health["loop_lag_seconds"], 3), cpu=_cpu(pid))
        figures = observer.figures()
        cycles = sum(self._made().values()) - made
        self.say("steady", seconds=seconds, cycles=cycles, late=observer.late[:20], api=figures, first=seen[len(seen) // 3], last=seen[-1])
        self.must(cycles > 0, "there were no cycles")
        self.must(not (self.timed and observer.late), f"RPO thresholds were passed {len(observer.late)} times")
        most = max(one["peak"] - one["mapped"] for one in seen)
        self.must(most <= MOST_MEMORY, f"the daemon took {most} MiB beside what it maps")
        self.unharmed("under the load")
        # Cycles and requests that run make some of them come and go.
        for what, room in (("tasks", 40), ("descriptors", 40), ("threads", 20)):
            early, late = (
                max(one[what] for one in part) for part in (seen[len(seen) // 3 : 2 * len(seen) // 3], seen[2 * len(seen) // 3 :])
            )
            self.must(late <= early + room, f"{what} grew from {early} to {late}")

    def kills(self, count: int) -> None:
        """SIGKILL at any moment: nothing committed is lost, no job is stuck, no cycle runs twice at once."""
        longest = min(8.0, max(self.intervals))
        known = committed(self.house)
        for _ in range(count):
            time.sleep(self.chance.uniform(0.2, longest))
            for kind in ("replicate", "verify"):
                self._job(kind, self.chance.choice(self.crowd.disks).name)
            known = {name: max(point, known[name]) for name, point in committed(self.house).items()}
            time.sleep(self.chance.uniform(0, 1))
            self.house.end(signal.SIGKILL)
            self.house.start()
            here = self.house.until(lambda: found if all((found := committed(self.house)).values()) else None)
            lost = [name for name, point in known.items() if here[name] < point]
            self.must(not lost, f"points were lost: {lost}")
        self.house.until(lambda: not self.house.ask("GET", "/v1/jobs?state=pending&state=running")["items"])
        jobs = [job for job in self._jobs() if job["actor"] != "maintenance"]
        states = Counter(job["state"] for job in jobs)
        self.say(
            "kills",
            count=count,
            jobs=states,
            repeated=sum(job["attempts"] > 1 for job in jobs),
            errors=[job["error"] for job in jobs if job["error"]][:5],
        )
        self.must(set(states) <= {"succeeded", "failed"}, f"jobs: {states}")
        failed = [job["error"] for job in jobs if job["state"] == "failed"]
        unexpected = [error for error in failed if not error["retryable"] and "times while this job ran" not in error["message"]]
        self.must(not unexpected, f"jobs failed: {unexpected[:5]}")
        self.settle("after kills")
        self.alone()

    def _job(self, kind: str, name: str) -> None:
        body = {}
        if kind == "verify":
            body = {"points": [self.house.ask("GET", f"/v1/machines/{name}/points?limit=1")["points"][-1]["id"]]}
        self.house.ask("POST", f"/v1/machines/{name}/{kind}", body, 202)

    def _jobs(self) -> list[Any]:
        found, following = [], ""
        while True:
            page = self.house.ask("GET", f"/v1/jobs?limit=500{following}")
            found += page["items"]
            if not page["next"]:
                return found
            following = f"&next={page['next']}"

    def settle(self, what: str) -> None:
        """All are well again by themselves."""
        began = time.monotonic()
        self.house.until(
            lambda: all(machine["health"] == "normal" for machine in self.house.ask("GET", "/v1/machines?limit=1000")["items"])
        )
        self.say("settled", after=what, seconds=round(time.monotonic() - began, 1))

    def jumps(self, seconds: float) -> None:
        """The wall clock is set: cycles come as before, no age changes, nothing is dropped."""
        self.settle("before the clock is set")
        self.alone()
        points = {name: self.house.machine(name)["points"] for name in self.names}
        for hours in (HOURS, -HOURS, 0):
            self.clock.set(hours * 3600)
            self.house.until(partial(self._is_at, hours))
            self._no_storm(seconds, f"with the clock at {hours:+d} h")
            prunes = [self.house.ask("POST", f"/v1/machines/{disk.name}/prune", {}, 202) for disk in self.crowd.disks[:5]]
            for job in prunes:
                ended = self.house.until(partial(self._ended, job["id"]))
                self.must(ended["state"] == "succeeded", f"a prune failed: {ended['error']}")
        lost = [name for name in self.names if self.house.machine(name)["points"] < points[name]]
        self.must(not lost, f"points were dropped: {lost}")
        self.must(len(all_events(self.house, "daemon.clock-set")) == 3, "each jump is told")
        self.settle("the clock was set")

    def _no_storm(self, seconds: float, when: str) -> None:
        """No more cycles than their intervals allow; and some of every machine."""
        before, began = self._made(), time.monotonic()
        time.sleep(seconds)
        self.house.until(lambda: all(made > before[name] for name, made in self._made().items()))
        cycles, passed = sum(self._made().values()) - sum(before.values()), time.monotonic() - began
        most = sum(1.25 * passed / self._interval(number) + 2 for number in range(len(self.names)))
        self.say(when, cycles=cycles, seconds=round(passed, 1), most=round(most))
        self.must(cycles <= most, f"a storm of cycles {when}")
        self.unharmed(when)

    def alone(self) -> None:
        """No machine had two cycles at once: by what the vault has of every cycle, and the daemons that lived said of its end. By the clock
        on the wall, so before that is set."""
        ends: dict[str, dict[int, int]] = defaultdict(dict)
        for event in all_events(self.house, "machine.cycle"):
            ends[event["machine"]][event["data"]["point"]] = event["at"]
        looked = told = 0
        for machine in self.house.ask("GET", "/v1/machines?limit=1000")["items"]:
            points, void = all_points(self.house, machine["name"])
            found = overlapping(points, ends[machine["id"]])
            self.must(not found, f"cycles of {machine['name']} overlap: {found[:5]}")
            # A second writer's, whichever of the two came first.
            second = [reason for reason in void if "(point)" in reason or "(claim)" in reason]
            self.must(not second, f"the log of {machine['name']} has records that do not count: {second[:5]}")
            looked, told = looked + len(points), told + sum(point["number"] in ends[machine["id"]] for point in points)
        self.say("cycles held against each other", cycles=looked, ends_told=told)

    def unharmed(self, when: str) -> None:
        states = self.house.ask("GET", "/v1/machines?limit=1000")["items"]
        unwell = [(state["name"], state["reasons"][0]["message"]) for state in states if state["health"] != "normal"]
        self.must(not (self.timed and unwell), f"not normal {when}: {unwell}")
        self.must("daemon.fault" not in self.house.log, "there were faults")

    def _ended(self, id_: str) -> Any:
        job = self.house.ask("GET", f"/v1/jobs/{id_}")
        return job if job["ended_at"] else None

    def _made(self) -> dict[str, int]:
        return {state["name"]: state["totals"]["made"] for state in self.house.ask("GET", "/v1/machines?limit=1000")["items"]}

    def _interval(self, number: int) -> int:
        return self.intervals[number % len(self.intervals)]

    def _is_at(self, hours: int) -> bool:
        return abs(self.house.ask("GET", "/v1/health")["now"] / 1e9 - time.time() - hours * 3600) < 60

    def end(self, restore: int) -> None:
        """What is left, and whether it is what was there."""
        self.crowd.stop()
        for disk in self.crowd.disks[:restore]:
            self.house.ask("POST", f"/v1/machines/{disk.name}/replicate", {}, 202)
        self.house.until(lambda: not self.house.ask("GET", "/v1/jobs?state=pending&state=running")["items"])
        ended = self.house.end()
        self.must(ended == 0, f"the daemon ended with {ended}: {self.house.log[-2000:]}")
        left = Counter(path.name for path in self.house.directory.glob("state/vaults/*/machines/*/*"))
        self.say("files left in machines' directories", **left)
        for disk in self.crowd.disks[:restore]:
            self._compare(disk)

    def _compare(self, disk: Disk) -> None:
        target = self.house.directory / "restored"
        self.house.host.run("restore", f"{disk.name}@latest", "--to", str(target))
        image = Disk(disk.name, target / "vda.raw", disk.size, disk.places)
        same = image.path.stat().st_size == disk.size and image.content() == disk.content()
        self.must(same, f"{disk.name} is not restored as it was")
        shutil.rmtree(target)


def _cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _guest(load: Load, stack: AsyncExitStack, number: int) -> None:
    directory = load.house.directory / f"g{number}"
    directory.mkdir()
    kit = await asyncio.to_thread(build_kit)
    found = await asyncio.to_thread(find_accelerator, kit)
    disks = [await asyncio.to_thread(make_disk, directory / f"{name}.qcow2", "qcow2", 1 << 30) for name in ("vda", "vdb")]
    options = {"run": load.run, "pause": "200"}
    guest = await Guest.start(kit, found.accelerator, directory, "write", disks, options=options)
    load.guests[f"guest{number}"] = await stack.enter_async_context(guest)
    await guest.wait_for("ack", 120)


async def _check(load: Load, name: str) -> Verdict:
    """Killed, restored, started: what its newest point holds."""
    target = load.house.directory / "restored"
    await asyncio.to_thread(load.house.host.run, "restore", f"{name}@latest", "--to", str(target))
    directory = load.house.directory / f"{name}-check"
    directory.mkdir()
    kit = await asyncio.to_thread(build_kit)
    found = await asyncio.to_thread(find_accelerator, kit)
    disks = [GuestDisk(path, "raw") for path in sorted(target.glob("*.raw"))]
    async with await Guest.start(kit, found.accelerator, directory, "check", disks, options={"run": load.run}) as checking:
        verdict = await checking.verdict(240)
    shutil.rmtree(target)
    return verdict


async def play(directory: Path, asked: argparse.Namespace, intervals: tuple[int, ...] = INTERVALS, *, timed: bool = True) -> list[str]:
    """What was wrong."""
    load = await asyncio.to_thread(Load, directory, asked.machines, asked.rate, intervals, timed)
    try:
        async with AsyncExitStack() as stack:
            for number in range(asked.guests):
                await _guest(load, stack, number)
            await asyncio.to_thread(load.begin)
            load.say("all have a point", machines=len(load.names))
            if asked.minutes:
                await asyncio.to_thread(load.settle, "the start")
                await asyncio.to_thread(load.steady, asked.minutes * 60)
            if asked.kills:
                await asyncio.to_thread(load.kills, asked.kills)
            if asked.jump:
                await asyncio.to_thread(load.jumps, asked.jump)
            frozen = {name: load.house.machine(name)["newest_frozen_at"] for name in load.guests}
            await asyncio.to_thread(load.end, asked.restore)
            for name, guest in load.guests.items():
                await guest.kill()
                verdict = await _check(load, name)
                least = acknowledged_before(guest.acknowledged, frozen[name])
                load.say(name, acknowledged=guest.newest, before_the_point=least, highest=verdict.highest)
                load.must(verdict.sound and verdict.highest >= least > 0, f"{name}: {verdict}")
    finally:
        load.crowd.stop()
        if load.house.process is not None:
            load.house.end(signal.SIGKILL)
    return load.wrong


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind, default in (
        ("machines", int, 100),
        ("guests", int, 2),
        ("minutes", float, 15.0),
        ("kills", int, 50),
        ("jump", float, 30.0),
        ("rate", float, 20.0),
        ("restore", int, 10),
    ):
        words.add_argument(f"--{name}", type=kind, default=default)
    asked = words.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="us-load-"))
    try:
        wrong = asyncio.run(play(directory, asked))
    finally:
        shutil.rmtree(directory)
    sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
