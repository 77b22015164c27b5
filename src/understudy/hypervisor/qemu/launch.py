"""Bringing a process into being that outlives its starter, and ending one without ever hitting another."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from understudy.errors import TargetFailed, Unsupported
from understudy.hypervisor.qemu.places import Places
from understudy.hypervisor.qemu.record import birth

_SYSTEMD = Path("/run/systemd/system")
_LAUNCHED = 30.0
_LOG_BYTES = 4096


def launcher(namespace: str, scope: str, *, systemd: bool) -> list[str]:
    """The words before the command: a session of its own, without parent; a scope of its own where a service manager would otherwise
    end all that a service left; a network namespace where its taps are in one."""
    words = []
    if systemd:
        words += ["systemd-run", "--scope", "--quiet", "--collect", f"--unit={scope}", "--"]
    words += ["setsid", "--fork"]
    if namespace:
        words += ["ip", "netns", "exec", namespace]
    return words


def has_systemd() -> bool:
    return _SYSTEMD.is_dir() and os.geteuid() == 0 and shutil.which("systemd-run") is not None


async def launch(command: Sequence[str], places: Places, life: int, *, namespace: str, scope: str) -> None:
    """Start it, with the descriptor `life` inherited. That it started does not mean that it goes on: its lock and its QMP socket tell."""
    words = [*launcher(namespace, scope, systemd=has_systemd()), *command]
    for program in (words[0], command[0]):
        if shutil.which(program) is None:
            raise Unsupported(f"there is no {program} here", hint="apt-get install qemu-system-x86 util-linux iproute2")

    def spawn() -> int:
        with places.log.open("wb") as log:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(life,), cwd="/", timeout=_LAUNCHED, check=False
            )
        return done.returncode

    try:
        status = await asyncio.to_thread(spawn)
    except subprocess.TimeoutExpired:
        raise TargetFailed(f"{words[0]} did not start the machine within {_LAUNCHED:g} s", hint="is systemd at work?") from None
    if status:
        raise TargetFailed(f"{words[0]} could not start the machine: {last_words(places)}", hint="see its log")


def last_words(places: Places) -> str:
    """The end of what QEMU itself said, on one line."""
    try:
        with places.log.open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _LOG_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return " | ".join("".join(c if c.isprintable() else "?" for c in line) for line in lines[-4:])


def kill(pid: int, born: int) -> None:
    """SIGKILL to this very process; nothing if it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # The handle holds the number, so what is seen now stays so.
        if birth(pid) == born:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)


def holders(life: Path) -> list[int]:
    """Processes that have this file open, as far as they may be seen: for a QEMU that does not answer."""
    try:
        wanted = life.stat()
    except FileNotFoundError:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                for fd in (entry / "fd").iterdir():
                    with contextlib.suppress(OSError):
                        seen = fd.stat()
                        if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                            found.append(int(entry.name))
                            break
    return found
