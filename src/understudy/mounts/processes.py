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


def running(words: Sequence[str], log: Path) -> list[int]:
    """Living processes that were `started` so: not those that were only told of a file of theirs."""
    return [pid for pid in everyone() if _is(pid, words, log)]


def killed(words: Sequence[str], log: Path) -> bool:
    """SIGKILL to all of these; whether they are gone."""
    for pid in running(words, log):
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(pid)
            try:
                # The handle holds the number, so what is seen now stays so.
                if _is(pid, words, log):
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


def _is(pid: int, words: Sequence[str], log: Path) -> bool:
    try:
        if os.readlink(f"/proc/{pid}/fd/2") != os.path.realpath(log):
            return False
        said = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    # It is `setsid` first, and has no words at all while it becomes what it is to be.
    begins = [b"".join(os.fsencode(word) + b"\0" for word in known) for known in (words, (*_APART, *words))]
    return not said or said.startswith(tuple(begins))
