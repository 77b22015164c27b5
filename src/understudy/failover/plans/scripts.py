"""Running a script once, whatever becomes of the daemon meanwhile. What is known of it lies in its directory (script_process.py)."""

import asyncio
import fcntl
import grp
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from understudy.durable import replace_file, state_directory
from understudy.engine.plans import Script
from understudy.failover.plans import script_process
from understudy.failover.plans.progress import Result

LOOK = 0.1
GRACE = 5.0
"""Seconds between asking a script to end and killing it."""
STARTING = 60.0
_BECOME = 1 << 6 | 1 << 7
"""CAP_SETGID and CAP_SETUID."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class _Told(msgspec.Struct, frozen=True):
    """outcome.json. `error`: why it could not be run at all; `why`: who ended it."""

    ended_at: int
    status: int = 0
    why: str = ""
    output: str = ""
    error: str = ""


async def run_script(directory: Path, script: Script, about: Mapping[str, str], unwanted: Callable[[], bool] = lambda: False) -> Result:
    """Begin it, if that has not been done in this directory before, and wait for its end. `about`: what its environment tells it.
    Once it is `unwanted` it is asked to end, and killed some seconds later.

    Cancelled, it leaves the script to go on: said again it is found. `StateFailed` if the directory cannot be written.
    """
    if not await asyncio.to_thread(_begun, directory):
        if unwanted():
            return Result(ok=False, text="it was not wanted any more before it was begun")
        user = _account(script.user)
        if isinstance(user, str):
            return Result(ok=False, text=user)
        await asyncio.to_thread(replace_file, directory / "order.json", msgspec.json.encode(_order(script, about, user)))
        trouble = await asyncio.to_thread(_begin, directory)
        if trouble and not await asyncio.to_thread(_begun, directory):
            return Result(ok=False, text=f"the process that runs scripts could not begin: {trouble}")
    while True:
        told = await asyncio.to_thread(_told, directory)
        if told is not None:
            return _result(script, told)
        if not _lives(directory):
            # Between the two looks it may have ended.
            told = await asyncio.to_thread(_told, directory)
            return _result(script, told) if told is not None else Result(ok=None, text="it was begun, and nobody knows how it ended")
        if unwanted():
            _end(directory)
        await asyncio.sleep(LOOK)


def _end(directory: Path) -> None:
    if _lives(directory):
        with suppress(OSError, ValueError):
            os.kill(int((directory / "begun").read_text()), signal.SIGTERM)


def problems_of(script: Script) -> Sequence[str]:
    """What would keep it from being run on this host."""
    found = []
    path = script.command[0]
    if not os.path.isfile(path):
        found.append(f"there is no program {path} on this host")
    elif not os.access(path, os.X_OK):
        found.append(f"{path} cannot be run: chmod +x")
    user = user_problem(script)
    return [*found, user] if user else found


def user_problem(script: Script) -> str:
    """Why it cannot be run on this host as whom it is to be run as; empty if it can. This does not pass by itself."""
    user = _account(script.user)
    return user if isinstance(user, str) else ""


def _account(name: str) -> pwd.struct_passwd | str | None:
    """Whose rights a script gets; why it cannot be; None: the daemon's own."""
    if not name:
        return None
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return f"this host has no user {name}"
    if account.pw_uid != os.geteuid() and not _may_become_others():
        return f"the daemon may not run anything as {name}: it needs CAP_SETUID and CAP_SETGID"
    return account


def _may_become_others() -> bool:
    """Root's own rights may be bounded, by systemd for one."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    return effective & _BECOME == _BECOME


def _order(script: Script, about: Mapping[str, str], account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Nothing of the daemon's own environment: it may hold secrets."""
    who = account or pwd.getpwuid(os.geteuid())
    environment = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": who.pw_dir, "USER": who.pw_name, "LOGNAME": who.pw_name, **about}
    changes = account is not None and account.pw_uid != os.geteuid()
    groups = [group.gr_gid for group in grp.getgrall() if who.pw_name in group.gr_mem] if changes else []
    return {
        "command": script.command,
        "timeout": script.timeout,
        "grace": GRACE,
        "environment": environment,
        "user": who.pw_uid if changes else None,
        "group": who.pw_gid,
        "groups": groups,
    }


def _begin(directory: Path) -> str:
    """Why it could not; empty if it did."""
    # A process of nobody's: asyncio would kill what still runs when the loop ends.
    program = (sys.executable, "-I", "-S", script_process.__file__, str(directory))
    try:
        done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, cwd="/", timeout=STARTING, check=False, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return "" if done.returncode == 0 else shown(done.stderr.strip()[-400:]) or f"it ended with {done.returncode}"


def _begun(directory: Path) -> bool:
    with state_directory(directory):
        return (directory / "begun").exists()


def _lives(directory: Path) -> bool:
    try:
        with (directory / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _told(directory: Path) -> _Told | None:
    with state_directory(directory):
        try:
            return msgspec.json.decode((directory / "outcome.json").read_bytes(), type=_Told)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            return _Told(ended_at=0, error="how it ended cannot be read", why="lost")


def _result(script: Script, told: _Told) -> Result:
    output = shown(told.output)
    if told.why == "lost":
        return Result(ok=None, text=told.error)
    if told.error:
        return Result(ok=False, text=f"{script.command[0]} could not be run: {told.error}", ended_at=told.ended_at)
    status = f"status {told.status}" if told.status >= 0 else f"signal {-told.status}"
    text = {
        "timeout": f"it took more than {script.timeout:g} s, and was ended",
        "ended": f"it was ended from outside ({status})",
    }.get(told.why, "" if told.status == 0 else f"it ended with {status}")
    return Result(ok=not text, text=text, output=output, ended_at=told.ended_at)


def shown(text: str) -> str:
    """What somebody's program wrote, for screens and pages: nothing in it can speak to a terminal."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(one if one.isprintable() or one == "\t" else _escaped(one) for one in line) for line in lines)


def _escaped(one: str) -> str:
    return f"\\x{ord(one):02x}" if ord(one) < 256 else f"\\u{ord(one):04x}"
