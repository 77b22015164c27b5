"""A skipped test is a failed run: what needs special tools has a make target of its own."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.store.servers import Server, azurite, s3_server
from tests.workers import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.workers import pytest_xdist_auto_num_workers as pytest_xdist_auto_num_workers

if TYPE_CHECKING:
    from tests.store.locking import LockServer

# The same examples on every run, and no verdict from how busy the machine is.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _no_watch_left_open() -> Iterator[None]:
    """A user has 128 inotify instances and as many fanotify groups: those that one test forgets are missing in another."""
    before = _watches()
    yield
    assert _watches() == before


def _watches() -> int:
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            count += "notify" in os.readlink(descriptor)
    return count


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def az(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with azurite(tmp_path_factory.mktemp("az")) as server:
        yield server


@pytest.fixture(scope="session")
def lock_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LockServer]":
    """An S3 server whose locks hold."""
    from tests.store.locking import honest

    with honest(tmp_path_factory.mktemp("locks")) as server:
        yield server


@pytest.fixture(scope="session")
def lying_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LockServer]":
    """One whose locks do not."""
    from tests.store.locking import lying

    with lying(tmp_path_factory.mktemp("lies")) as server:
        yield server
