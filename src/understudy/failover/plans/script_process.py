"""Beside every script of a plan stands this process, which outlives the daemon: the script's end is known though the daemon was killed.

Run as a file of its own, with nothing but the standard library: `python -I -S script_process.py DIRECTORY`. Files there:

order.json    what is to be run; written by the daemon before
lock          locked for as long as this process lives
begun         this process's id: from here on the script may have done something. Written once, durably, before it is run
outcome.json  how it ended; it appears whole
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HEAD = 16 << 10
TAIL = 48 << 10
"""Bytes of what a script says that are kept: its beginning and its end."""
DRAIN = 0.2
LOCKING = 5.0
"""Seconds for a lock that somebody looks at."""


class Heard:
    """What was said, in bounded space."""

    def __init__(self) -> None:
        self._head, self._tail = b"", b""
        self._dropped = 0

    def take(self, data: bytes) -> None:
        room = HEAD - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        over = len(self._tail) - TAIL
        if over > 0:
            self._tail, self._dropped = self._tail[over:], self._dropped + over

    def text(self) -> str:
        between = f"\n[{self._dropped} bytes left out]\n".encode() if self._dropped else b""
        return (self._head + between + self._tail).decode(errors="backslashreplace")


def main(directory: Path) -> int:
    """Returns once the script is about to be run, 1 if that cannot be: a process that nobody waits for goes on with it."""
    ours, theirs = os.pipe()
    if os.fork():
        os.close(theirs)
        return 0 if os.read(ours, 1) else 1
    os.close(ours)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nothing, number)
    _follow(directory, theirs)
    return 0


def _follow(directory: Path, began: int) -> None:
    with (directory / "lock").open("a") as lock:
        asked: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: asked.append(number))
        if not _locked(lock.fileno()):
            return
        try:
            begun = os.open(directory / "begun", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        order = json.loads((directory / "order.json").read_text())
        os.write(begun, str(os.getpid()).encode())
        os.fsync(begun)
        os.close(begun)
        _sync(directory)
        os.write(began, b"1")
        os.close(began)
        _tell(directory, _run(order, asked))


def _locked(lock: int) -> bool:
    end = time.monotonic() + LOCKING
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)


def _run(order: dict[str, Any], asked: list[int]) -> dict[str, Any]:
    who = {"user": order["user"], "group": order["group"], "extra_groups": order["groups"]} if order["user"] is not None else {}
    try:
        process = subprocess.Popen(
            order["command"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=order["environment"],
            cwd="/",
            start_new_session=True,
            **who,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {"error": getattr(error, "strerror", None) or str(error)}
    assert process.stdout is not None
    pipe, heard = process.stdout.fileno(), Heard()
    os.set_blocking(pipe, False)
    end, killed_at, why = time.monotonic() + order["timeout"], 0.0, ""
    while process.poll() is None:
        now = time.monotonic()
        if not why and (asked or now >= end):
            why, killed_at = ("ended" if asked else "timeout"), now + order["grace"]
            _signal(process.pid, signal.SIGTERM)
        elif why and now >= killed_at:
            _signal(process.pid, signal.SIGKILL)
            killed_at = now + order["grace"]
        _hear(pipe, heard, 0.05)
    if why:
        _signal(process.pid, signal.SIGKILL)
    # A program that it leaves running may hold the pipe open for ever.
    drained = time.monotonic() + DRAIN
    while time.monotonic() < drained and _hear(pipe, heard, 0.01):
        pass
    return {"status": process.returncode, "why": why, "output": heard.text()}


def _hear(pipe: int, heard: Heard, seconds: float) -> bool:
    """Whether there was something."""
    if not select.select([pipe], [], [], seconds)[0]:
        return False
    try:
        data = os.read(pipe, 1 << 16)
    except BlockingIOError:
        return False
    if not data:
        time.sleep(seconds)
    heard.take(data)
    return bool(data)


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _tell(directory: Path, outcome: dict[str, Any]) -> None:
    outcome["ended_at"] = time.time_ns()
    staged = directory / "outcome.json.new"
    with staged.open("w") as file:
        json.dump(outcome, file)
        file.flush()
        os.fsync(file.fileno())
    staged.rename(directory / "outcome.json")
    _sync(directory)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
