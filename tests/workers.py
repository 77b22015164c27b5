"""How many processes run the tests of a whole run, and in which order each takes them."""

import os
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pytest

LONG = ("sites", "live", "failover", "peer", "daemon", "replica", "hypervisor", "source", "cli", "local", "replication", "store")
"""The rooms whose tests take seconds. They begin first, so that no worker ends long after the others."""


def pytest_xdist_auto_num_workers() -> int:
    """More than processors: a third of a test's time is spent in waiting for guests, daemons and disks."""
    return max(2, len(os.sched_getaffinity(0)) * 3 // 2)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each worker has its share of the long files first, and of all others then; whoever is done first takes from the end of another's."""
    workers = getattr(config, "workerinput", {}).get("workercount")
    if workers is None:
        return
    files = [list(file) for _, file in groupby(items, attrgetter("path"))]
    long = sorted((file for file in files if _room(file) in LONG), key=lambda file: LONG.index(_room(file)))
    rest = [item for file in files if _room(file) not in LONG for item in file]
    shares: list[list[pytest.Item]] = [[item for file in long[first::workers] for item in file] for first in range(workers)]
    # The scheduler cuts this list into pieces of the same number of tests.
    for number, share in enumerate(shares):
        size = len(items) * (number + 1) // workers - len(items) * number // workers
        missing = max(0, size - len(share))
        share += rest[:missing]
        del rest[:missing]
    items[:] = [item for share in shares for item in share] + rest


def _room(file: list[pytest.Item]) -> str:
    return file[0].path.relative_to(Path(__file__).parent).parts[0]
