"""Who uses what is mounted, so that it cannot be unmounted: processes, loop devices and mounts that are not ours."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from understudy.mounts import processes
from understudy.mounts.loop import loops_on
from understudy.mounts.record import is_ours
from understudy.mounts.table import mounted_below

_SETTLES = 3.0
"""Seconds for a device whose command was killed a moment ago."""
_WAYS = {"cwd": "its working directory", "root": "its root", "exe": "its program"}


def users_of(directory: str) -> list[str]:
    """Words for each; none: nobody, as far as /proc shows."""
    until = time.monotonic() + _SETTLES
    devices = list(_devices(directory))
    while devices and time.monotonic() < until:
        time.sleep(0.05)
        devices = list(_devices(directory))
    there = mounted_below(directory)
    if not there:
        return devices
    foreign = [f"a mount at {mounted.point}" for mounted in there if not is_ours(directory, mounted.point)]
    return [*_processes(directory), *devices, *foreign]


def _processes(directory: str) -> Iterator[str]:
    for pid in processes.everyone():
        with contextlib.suppress(OSError):
            way = next(_ways(f"/proc/{pid}", directory), None)
            if way is not None:
                yield f"{processes.name_of(pid)} by {way}"


def _ways(process: str, directory: str) -> Iterator[str]:
    for name, way in _WAYS.items():
        with contextlib.suppress(OSError):
            if _inside(os.readlink(f"{process}/{name}"), directory):
                yield way
    for descriptor in os.listdir(f"{process}/fd"):
        with contextlib.suppress(OSError):
            path = os.readlink(f"{process}/fd/{descriptor}")
            if _inside(path, directory):
                yield path
    with open(f"{process}/maps", "rb") as maps:
        if os.fsencode(f" {directory}/") in maps.read():
            yield "a file that it has mapped"


def _devices(directory: str) -> Iterator[str]:
    sources = {mounted.source for mounted in mounted_below(directory)}
    for device, path in loops_on(directory).items():
        if device not in sources:
            holders = sorted(os.listdir(f"/sys/block/{Path(device).name}/holders"))
            yield f"{device} on {path}" + (f", which {', '.join(holders)} lies on" if holders else "")


def _inside(path: str, directory: str) -> bool:
    return path.startswith(f"{directory}/")
