"""Who wrote to a file, told by the kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

from understudy.source.file_writers import FileWriters

CAP_SYS_ADMIN = 21
EFFECTIVE = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
SYS_ADMIN = int(EFFECTIVE.split()[1], 16) >> CAP_SYS_ADMIN & 1

WAYS = {
    "written": "os.pwrite(fd, b'x', 7)",
    "cut": "os.ftruncate(fd, 100)",
    "punched": "import ctypes; assert not ctypes.CDLL(None).fallocate64(fd, 3, ctypes.c_int64(0), ctypes.c_int64(4096))",
    "read": "os.pread(fd, 1, 0)",
}


def done(way: str, path: Path) -> int:
    """By a process of its own; its number."""
    child = subprocess.Popen([sys.executable, "-c", f"import os; fd = os.open({str(path)!r}, os.O_RDWR); {WAYS[way]}"])
    assert child.wait() == 0
    return child.pid


@pytest.mark.parametrize("way", WAYS)
def test_writers_are_told_or_nothing_is(tmp_path: Path, way: str) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    try:
        writers = FileWriters()
    except PermissionError:
        assert not SYS_ADMIN
        return
    try:
        for path in (one, other):
            path.write_bytes(bytes(1 << 16))
            with path.open("rb") as file:
                writers.add(str(path), file.fileno())
        assert writers.of(str(one)) == set()
        first, second = done(way, one), done(way, one)
        assert writers.of(str(one)) == (set() if way == "read" else {first, second})
        assert writers.of(str(other)) == writers.of("unknown") == set()
    finally:
        writers.close()
