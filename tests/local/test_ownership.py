"""One process a machine, whatever happens to the others."""

import fcntl
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.errors import Busy, StateFailed
from understudy.local.ownership import LOCK, owned

HOLD = """
import sys
from pathlib import Path
from understudy.local.ownership import owned
sys.argv = ["/usr/bin/understudy", "replicate", "web"]
with owned(Path(DIRECTORY), "web"):
    print("owned", flush=True)
    sys.stdin.read()
"""


def holder(directory: Path) -> subprocess.Popen[str]:
    script = HOLD.replace("DIRECTORY", repr(str(directory)))
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "owned\n"
    return process


def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    with holder(tmp_path / "m") as process:
        with pytest.raises(Busy, match=rf"owned by process {process.pid} \(understudy replicate web\)"), owned(tmp_path / "m", "web"):
            pass
        process.kill()
    with owned(tmp_path / "m", "web"):
        pass


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    with holder(tmp_path / "m") as process:
        process.kill()
        process.wait()
        with owned(tmp_path / "m", "web"):
            pass


def test_an_owner_that_has_not_signed_yet_still_owns(tmp_path: Path) -> None:
    with owned(tmp_path, "web"):
        os.truncate(tmp_path / LOCK, 0)
        with pytest.raises(Busy, match="another process"), owned(tmp_path, "web"):
            pass


def test_the_lock_ends_with_its_context(tmp_path: Path) -> None:
    for _ in range(2):
        with owned(tmp_path, "web"):
            pass


def test_an_owner_whom_a_full_disk_lets_not_sign_owns_all_the_same(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with owned(tmp_path, "web"), pytest.raises(Busy, match="owned by another process"), owned(tmp_path, "web"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_directory_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFailed, match="cannot lock web"), owned(tmp_path / "file" / "m", "web"):
        pass


def test_a_lock_on_a_removed_file_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner removes the directory right after another has opened the lock."""
    real = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        (tmp_path / LOCK).unlink()
        real(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", late)
        with pytest.raises(Busy, match="just been removed"), owned(tmp_path, "web"):
            pass
    with owned(tmp_path, "web"):
        pass
