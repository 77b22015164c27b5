"""Real NBD servers on unix sockets, ended with the test."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Serve = Callable[..., str]


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                assert process.poll() is None, "the server ended"
                time.sleep(0.01)
            else:
                return
    raise AssertionError(f"nothing listens at {path}")


@pytest.fixture
def spawn() -> Iterator[Callable[[list[str], Path], str]]:
    processes = []

    def start(command: list[str], path: Path) -> str:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        processes.append(process)
        wait_for(path, process)
        return str(path)

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def qemu_nbd(spawn: Callable[[list[str], Path], str], tmp_path: Path) -> Serve:
    """`qemu_nbd(image, *options)` → path of its socket."""

    def serve(image: Path, *options: str, form: str = "raw") -> str:
        path = tmp_path / "qemu-nbd.sock"
        return spawn(["qemu-nbd", "-k", str(path), "-f", form, "-t", "-e", "4", "--discard=unmap", *options, str(image)], path)

    return serve


@pytest.fixture
def nbdkit(spawn: Callable[[list[str], Path], str], tmp_path: Path) -> Serve:
    """`nbdkit(*arguments)` → path of its socket."""

    def serve(*arguments: str) -> str:
        path = tmp_path / "nbdkit.sock"
        return spawn(["nbdkit", "-f", "-U", str(path), *arguments], path)

    return serve
