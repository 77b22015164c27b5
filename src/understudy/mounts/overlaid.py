"""Each disk of an export as a file that can be written: qemu-storage-daemon with a throw-away overlay for each, shown by FUSE."""

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from understudy import engine
from understudy.errors import StateFailed, Unsupported
from understudy.mounts import processes
from understudy.mounts.record import Places
from understudy.mounts.table import mounted_below

RECONNECTS = 10
"""Seconds that a read waits for an export that has ended and may be begun again; after that it fails, until there is one again."""
APPEARS = 60.0
_TOOL = 60.0
_POLL = 0.02


def shown(places: Places, export: engine.Export, disks: Sequence[engine.MountedDisk]) -> None:
    """Every disk can be read and written at its place when this returns."""
    words = [*command(places)]
    for number, disk in enumerate(disks):
        raw = Path(disk.raw)
        raw.parent.mkdir(exist_ok=True)
        raw.touch(mode=0o600)
        _make_overlay(places.overlay(disk.name), disk.size)
        words += _arguments(number, places.overlay(disk.name), export.listen, disk)
    processes.started(words, places.log)
    _wait(places, [disk.raw for disk in disks])


def command(places: Places) -> tuple[str, ...]:
    """How the command of a mount's storage daemon begins, and of no other process."""
    return ("qemu-storage-daemon", "--pidfile", str(places.process))


def _wait(places: Places, wanted: Sequence[str]) -> None:
    directory = str(Path(wanted[0]).parents[1])
    until = time.monotonic() + APPEARS
    while not set(wanted) <= {mounted.point for mounted in mounted_below(directory)}:
        if not processes.running(command(places), places.log):
            raise Unsupported(
                f"qemu-storage-daemon cannot show the disks: {processes.last_words(places.log)}",
                hint="it must be of QEMU 6.0 or later, built with FUSE",
            )
        if time.monotonic() > until:
            raise StateFailed(f"qemu-storage-daemon does not show the disks within {APPEARS:g} s", hint=f"see {places.log}")
        time.sleep(_POLL)


def _make_overlay(path: Path, size: int) -> None:
    done = subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(size)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_TOOL,
        check=False,
    )
    if done.returncode:
        raise StateFailed(
            f"the overlay {path} cannot be made: {done.stderr.strip()}", hint="the state directory must be writable and not full"
        )


def _arguments(number: int, overlay: Path, socket: str, disk: engine.MountedDisk) -> list[str]:
    point, top = f"point{number}", f"disk{number}"
    below = {
        "driver": "nbd",
        "node-name": point,
        "server": {"type": "unix", "path": socket},
        "export": disk.name,
        "reconnect-delay": RECONNECTS,
        "read-only": True,
    }
    # What is written is gone with the mount, so nothing waits until it is durable.
    above = {
        "driver": "qcow2",
        "node-name": top,
        "file": {"driver": "file", "filename": str(overlay)},
        "backing": point,
        "cache": {"no-flush": True},
    }
    export = {"type": "fuse", "id": f"fuse{number}", "node-name": top, "mountpoint": disk.raw, "writable": True}
    return ["--blockdev", json.dumps(below), "--blockdev", json.dumps(above), "--export", json.dumps(export)]
