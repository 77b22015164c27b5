"""What the machine is, and nothing of which one it is: no names, no paths."""

import os
import platform
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.report.results import Host

BULK = 512 << 20
SYNCS = 200


def host_of(directory: Path) -> Host:
    """With the disk below `directory`."""
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return Host(
        processor=models[0] if models else platform.machine(),
        cores=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        python=platform.python_version(),
        qemu=_first_line("qemu-system-x86_64", "--version"),
        filesystem=_first_line("findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(directory)),
        written=_written(directory),
        sync=_sync(directory),
    )


def commit_of(checkout: Path) -> str:
    """Its head, and a + where something was changed since. Without git: nothing."""
    said = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--dirty=+"], cwd=checkout, capture_output=True, text=True, check=False
    )
    return said.stdout.strip()


def _first_line(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def _written(directory: Path) -> float:
    part = os.urandom(8 << 20)
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        began = time.perf_counter()
        for _ in range(BULK // len(part)):
            file.write(part)
        os.fsync(file.fileno())
        return BULK / (time.perf_counter() - began)


def _sync(directory: Path) -> float:
    took = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(SYNCS):
            file.write(os.urandom(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)
