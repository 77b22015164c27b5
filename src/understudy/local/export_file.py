"""What this host exports: a directory for each in the state directory, which tells what is served, where, and for whom a point is held."""

import fcntl
import os
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import replace_file, state_directory
from understudy.errors import NotFound, StateFailed
from understudy.local.ownership import LOCK

RECORD = "export.json"
SOCKET = "nbd.sock"
LOG = "log"


def exports_in(state: Path) -> Path:
    return state / "exports"


def directory_of(state: Path, name: str) -> Path:
    return exports_in(state) / engine.checked_name("export", name)


def write_export(state: Path, export: engine.Export) -> None:
    replace_file(directory_of(state, export.name) / RECORD, msgspec.json.encode(export))


def read_export(state: Path, name: str) -> engine.Export:
    """`NotFound` if there is none. Whether its process lives is looked at now."""
    directory = directory_of(state, name)
    try:
        export = msgspec.json.decode((directory / RECORD).read_bytes(), type=engine.Export)
    except FileNotFoundError:
        raise NotFound(f"this host has no export {name!r}", hint="`understudy exports` lists them") from None
    except (OSError, msgspec.DecodeError) as error:
        hint = f"see whether a process serves it, and end that; then move {directory} away: its point stays held (`understudy hold list`)"
        raise StateFailed(f"{directory / RECORD} cannot be read: {error}", hint=hint) from None
    if is_served(directory):
        return msgspec.structs.replace(export, state="serving")
    return msgspec.structs.replace(export, state="stopped", pid=0)


def exports_here(state: Path) -> tuple[engine.Export, ...]:
    """By name. Of one whose record cannot be read nothing but its name is known, and why."""
    with state_directory(state):
        names = sorted(path.parent.name for path in exports_in(state).glob(f"*/{RECORD}"))
    return tuple(_seen(state, name) for name in names)


def _seen(state: Path, name: str) -> engine.Export:
    try:
        return read_export(state, name)
    except StateFailed as error:
        return engine.Export(
            name=name,
            vault="",
            machine="",
            machine_id="",
            point="",
            number=0,
            frozen_at=0,
            overlay="",
            listen="",
            disks=(),
            state="unknown",
            pid=0,
            why=f"{error.message}; {error.hint}",
        )


def is_served(directory: Path) -> bool:
    """Whether a process owns it: it holds the lock as long as it lives."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def held_for(name: str, site: str) -> str:
    """The reason that an export's hold on its point gives; by it the hold is found again."""
    return f"export {name} on {site}"
