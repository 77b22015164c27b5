"""Bringing a process into being that outlives its starter, and ending one without ever hitting another."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from understudy.errors import TargetFailed, Unsupported
from understudy.hypervisor.qemu import hold
from understudy.hypervisor.qemu.places import Places
from understudy.hypervisor.qemu.record import birth

_SYSTEMD = Path("/run/systemd/system")
_LAUNCHED = 30.0
_LOG_BYTES = 4096


def launcher(namespace: str, unit: str, log: Path, *, systemd: bool) -> list[str]:
    """The words before the command. A service manager starts it as a service of its own: what restricts us must not restrict it, our
    credentials are not for it, and it stays when we go. Without one it gets a session of its own and no parent."""
    if not systemd:
        return ["setsid", "--fork", *(["ip", "netns", "exec", namespace] if namespace else [])]
    words = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", "--service-type=exec", "--property=UMask=0077"]
    words += [f"--property={stream}=append:{log}" for stream in ("StandardOutput", "StandardError")]
    return [*words, *([f"--property=NetworkNamespacePath=/run/netns/{namespace}"] if namespace else []), "--"]


def has_systemd() -> bool:
    return _SYSTEMD.is_dir() and os.geteuid() == 0 and shutil.which("systemd-run") is not None


async def launch(program: str, places: Places, token: str, *, namespace: str) -> None:
    """Start the recorded command. That it started does not mean that it goes on: its lock and its QMP socket tell."""
    unit = f"understudy-{places.directory.name}-{token}"
    words = launcher(namespace, unit, places.log, systemd=has_systemd())
    for needed in (words[0], program):
        if shutil.which(needed) is None:
            raise Unsupported(f"there is no {needed} here", hint="apt-get install qemu-system-x86 util-linux iproute2")
    words += [sys.executable, "-m", hold.__name__, str(places.directory), token]

    def spawn() -> int:
        with places.log.open("wb") as log:
            return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=_LAUNCHED, check=False).returncode

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
