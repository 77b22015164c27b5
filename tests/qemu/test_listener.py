"""Which process listens at a socket: also one that takes nobody out of its queue, and one of another network namespace."""

import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.small import ROOT
from understudy.qemu.listener import listener

LISTENS = """
import os, socket, sys
os.chdir(sys.argv[1])
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[2])
listening.listen(1)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("space", [(), ("unshare", "--net")][: 1 + ROOT])
@pytest.mark.parametrize("name", ["{}/qmp", "qmp"])
def test_its_queue_is_full(short_directory: Path, space: tuple[str, ...], name: str) -> None:
    path = short_directory / "qmp"
    words = [*space, sys.executable, "-c", LISTENS, str(short_directory), name.format(short_directory)]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert process.stdin is not None
        assert process.stdout is not None
        stack.callback(process.stdin.close)
        pid = int(process.stdout.readline())
        for _ in range(2):
            assert listener(str(path)) == pid
        probe = stack.enter_context(socket.socket(socket.AF_UNIX))
        probe.setblocking(False)
        with pytest.raises(BlockingIOError):
            probe.connect(str(path))
        assert listener(str(path)) == pid
    assert listener(str(path)) == 0
    path.unlink()
    assert listener(str(path)) == 0
