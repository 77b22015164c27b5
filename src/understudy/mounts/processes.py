"""Processes that go on when their starter ends, found again by how their command begins, which is theirs alone."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

_APART = ("setsid", "--fork")
ENDS = 20.0
"""Seconds for a process that was killed: it may wait for a disk."""
_STARTS = 30.0


def started(words: Sequence[str], log: Path) -> None:
    """In a session of its own, and nobody's child. That it started does not mean that it goes on."""
    with log.open("wb") as file:
        subprocess.run([*_APART, *words], stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd="/", check=True, timeout=_STARTS)


def running(words: Sequence[str]) -> list[int]:
    """Living processes of ours whose command begins with these words: not those that were only told of a file of theirs."""
    return [pid for pid in everyone() if _is(pid, words)]


def killed(words: Sequence[str]) -> bool:
    """SIGKILL to all of these; whether they are gone."""
    for pid in running(words):
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                # The handle holds the number, so what is seen now stays so.
                if _is(pid, words):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    if not select.select([handle], [], [], ENDS)[0]:
                        return False
            finally:
                os.close(handle)
    return True


def everyone() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def name_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return f"process {pid} ({Path(f'/proc/{pid}/comm').read_text(errors='replace').strip()})"
    return f"process {pid}"


def last_words(log: Path) -> str:
    """The end of what it said, on one line."""
    try:
        lines = log.read_bytes()[-4096:].decode(errors="replace").strip().splitlines()
    except OSError:
        return "it left no log"
    return " | ".join(lines[-3:]) or "it said nothing"


def _is(pid: int, words: Sequence[str]) -> bool:
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return False
        said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # For a moment it is the process that is to become it.
    return any(said[: len(begins)] == [os.fsencode(word) for word in begins] for begins in (words, (*_APART, *words)))
