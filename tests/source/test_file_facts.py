"""Files that nobody writes to, and who does, on the real kernel."""

import ctypes
import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from understudy.source.file_facts import at_rest, facts, unwritten
from understudy.source.file_users import opened, writers

OPENING = "import os, sys\nfor _ in sys.stdin:\n    [os.close(os.open(sys.argv[1], os.O_RDWR)) for _ in range(2000)]\n    print(flush=True)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8192)
    return path


@pytest.fixture
def reading(path: Path):
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def inode(path: Path) -> tuple[int, int]:
    return path.stat().st_dev, path.stat().st_ino


def test_nobody_else_writes(path: Path, reading: int) -> None:
    assert unwritten(reading)
    with path.open("rb"):
        assert unwritten(reading)
    with path.open("r+b") as file:
        assert not unwritten(reading)
        view = mmap.mmap(file.fileno(), 0)
    assert not unwritten(reading), "a mapping outlives its descriptor"
    view.close()
    assert unwritten(reading)


def test_who_opens_it_while_we_look_harms_neither(path: Path, reading: int) -> None:
    with subprocess.Popen([sys.executable, "-c", OPENING, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"\n")
        child.stdin.close()
        found = [unwritten(reading) for _ in range(4000)]
        assert child.stdout.readline() == b"\n"
    assert child.returncode == 0
    assert True in found


def test_every_write_shows(path: Path, reading: int) -> None:
    for number in range(3):
        before = at_rest(reading)
        assert before == facts(reading) == facts(str(path))
        path.chmod(0o600 + number)
        assert facts(reading) == before
        with path.open("r+b") as file:
            file.write(bytes([number]))
        assert facts(reading) != before


def test_times_in_whole_seconds(path: Path, reading: int) -> None:
    os.utime(path, ns=(0, time.time_ns() // 10**9 * 10**9))
    rested = at_rest(reading)
    assert rested is not None
    # A write of now would show even if its time were cut to the second.
    assert time.time_ns() // 10**9 > rested.modified // 10**9


def test_a_file_that_does_not_come_to_rest(path: Path, reading: int) -> None:
    with path.open("r+b"):
        assert at_rest(reading) is None


def test_who_has_it(path: Path) -> None:
    with path.open("rb"):
        assert opened(os.getpid())[inode(path)] is False
    with path.open("r+b") as file:
        assert opened(os.getpid())[inode(path)] is True
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        at = ctypes.c_void_p(libc.mmap(None, ctypes.c_size_t(8192), mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file.fileno(), 0))
    assert inode(path) not in opened(os.getpid()), "only mapped"
    if os.geteuid() == 0:
        assert writers([inode(path)]) == {inode(path): {os.getpid()}}
    libc.munmap(at, ctypes.c_size_t(8192))
    if os.geteuid() == 0:
        assert writers([inode(path)]) == {inode(path): set()}
