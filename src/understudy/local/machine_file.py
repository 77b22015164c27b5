"""`source.json` in a machine's directory: how this host reads it. The machine is followed from here while the file exists."""

import os
from pathlib import Path

import msgspec

from understudy.engine import MachineSource
from understudy.errors import StateFailed
from understudy.replication.durable import remove, sync_directory

NAME = "source.json"


def read_source(directory: Path) -> MachineSource | None:
    """None if this host does not follow the machine."""
    path = directory / NAME
    try:
        source: MachineSource = msgspec.json.decode(path.read_bytes(), type=MachineSource)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise StateFailed(f"{path} cannot be read: {error}", hint="Protect the machine again; its recovery points stay.") from None
    return source


def write_source(directory: Path, source: MachineSource) -> None:
    """Durable when it returns; a crash leaves the old file or the new one."""
    path = directory / NAME
    fresh = directory / f"{NAME}.new"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(source)) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
        sync_directory(directory)
    except OSError as error:
        raise StateFailed(
            f"{path} cannot be written: {error.strerror}", hint="Check --state-dir, its permissions and free space."
        ) from None


def remove_source(directory: Path) -> None:
    """Durably; nothing happens if it is absent."""
    try:
        remove(directory / NAME)
    except OSError as error:
        raise StateFailed(f"{directory / NAME} cannot be removed: {error.strerror}") from None
