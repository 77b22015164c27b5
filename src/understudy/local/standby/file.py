"""`standby/standby.json` in a machine's directory: which images this host keeps of it. What each holds its own record says."""

from pathlib import Path

import msgspec

from understudy.durable import remove, replace_file
from understudy.engine import ImageFormat
from understudy.errors import NotFound, StateFailed

FORMAT = 1
DIRECTORY = "standby"
NAME = "standby.json"


class StandbyImage(msgspec.Struct, frozen=True, kw_only=True):
    """`adopting`: it was there before, and whatever it holds is overwritten until it was brought to a point once."""

    path: str
    format: ImageFormat
    adopting: bool = False


class StandbyFile(msgspec.Struct, frozen=True, kw_only=True):
    """Images by disk name. `directory`: where those of new disks are made, in `kind`; empty: nowhere. `since` in wall-clock ns."""

    format: int = FORMAT
    images: dict[str, StandbyImage]
    directory: str = ""
    kind: ImageFormat = "raw"
    since: int
    paused: bool = False
    detached: str = ""
    """What uses the images, which do not follow meanwhile; empty: nothing does."""
    former: tuple[str, ...] = ()
    """Images of disks that the machine has no more; they are left as they are."""


def directory_of(machine: Path) -> Path:
    """`machine`: its directory on this host."""
    return machine / DIRECTORY


def read_standby(machine: Path) -> StandbyFile | None:
    """None if there is no standby."""
    path = directory_of(machine) / NAME
    try:
        found = msgspec.json.decode(path.read_bytes(), type=StandbyFile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise StateFailed(
            f"{path} cannot be read: {error}", hint="remove the file, and create the standby again from its images (--adopt)"
        ) from None
    if found.format != FORMAT:
        raise StateFailed(f"{path} is of format {found.format}, which this understudy does not know", hint="use the one that wrote it")
    return found


def must_read_standby(machine: Path, name: str) -> StandbyFile:
    found = read_standby(machine)
    if found is None:
        raise NotFound(f"this host keeps no standby of {name!r}", hint=f"understudy standby create {name} --to DIR")
    return found


def write_standby(machine: Path, standby: StandbyFile) -> None:
    """Durable when it returns."""
    replace_file(directory_of(machine) / NAME, msgspec.json.format(msgspec.json.encode(standby)) + b"\n")


def remove_standby(machine: Path) -> None:
    """Durably."""
    try:
        remove(directory_of(machine) / NAME)
    except OSError as error:
        raise StateFailed(f"{directory_of(machine) / NAME} cannot be removed: {error.strerror}") from None


def keeps_standby(machine: Path) -> bool:
    """Even if its file is damaged."""
    return (directory_of(machine) / NAME).exists()
