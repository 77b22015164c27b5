"""`understudy` for the shells that a test starts: each command is a process of its own, forked from one that has loaded everything already.

To load everything takes a second of a processor, and a runbook has dozens of commands.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CLIENT = """#!{python} -IS
import json, os, socket, sys
asked = socket.socket(socket.AF_UNIX)
asked.connect({path!r})
socket.send_fds(asked, [json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()], [0, 1, 2])
ended = asked.recv(1)
sys.exit(ended[0] if ended else 99)
"""
LONGEST = 1 << 17
"""Bytes of a request."""


@contextlib.contextmanager
def ready(directory: Path) -> Iterator[Path]:
    """A directory for PATH in which `understudy` is. Its socket is in `directory`, whose path is to be short."""
    path = directory / "ready"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        command = [sys.executable, "-m", "tests.cli.ready", str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], cwd=Path(__file__).parents[2])
    programs = directory / "bin"
    programs.mkdir()
    program = programs / "understudy"
    program.write_text(CLIENT.format(python=sys.executable, path=str(path)))
    program.chmod(0o755)
    try:
        yield programs
    finally:
        process.kill()
        process.wait()


def serve(listener: socket.socket) -> None:
    import understudy.app  # noqa: F401
    from understudy.cli.main import run

    # Nobody waits for what was forked: whoever asked is told by the process itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request, descriptors, _, _ = socket.recv_fds(asked, LONGEST, 3)
            words, directory, environment = json.loads(request)
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
                os.close(descriptor)
            sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", 1, errors="backslashreplace")
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(environment)
            sys.argv = ["understudy", *words]
            try:
                run()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                sys.stdout.flush()
                asked.send(bytes([code]))
                os._exit(code)
            os._exit(99)
        asked.close()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
