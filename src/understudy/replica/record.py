"""What is known of a replica on disk: written before anything is begun, removed when nothing is left."""

import re
from pathlib import Path

import msgspec

from understudy.durable import read_record, state_directory, write_record
from understudy.errors import InvalidRequest
from understudy.replica.values import StartReplica

RECORD = "replica.json"
OVERLAYS = "disks"
_RUN = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    order: StartReplica
    begun: bool = False
    """Whether its guest may have run: its overlays may hold something then that no record of changes in a new process has."""
    whole: tuple[str, ...] = ()
    """Disks whose overlays need nothing below them any more."""
    kept: bool = False

    @property
    def below(self) -> tuple[str, ...]:
        return tuple(disk.name for disk in self.order.definition.disks if disk.name not in self.whole)

    @property
    def exported(self) -> tuple[str, ...]:
        """Disks that are read from the export."""
        return tuple(name for name in self.below if name not in self.order.below)


def directory_of(root: Path, run: str) -> Path:
    if not _RUN.fullmatch(run):
        raise InvalidRequest(f"{run!r} cannot be the name of a run", hint="up to 48 small letters, digits, dots, dashes and underscores")
    return root / run


def overlay_of(directory: Path, disk: str) -> Path:
    return directory / OVERLAYS / f"{disk}.qcow2"


def read(directory: Path) -> Record | None:
    """None if there is none. `StateFailed` if it cannot be read: it is not known then what runs."""
    hint = f"see whether its machine runs, and end it; then move {directory} away: what was written there lies in it"
    return read_record(directory / RECORD, Record, hint)


def write(directory: Path, record: Record) -> None:
    """Durable when it returns."""
    write_record(directory / RECORD, record)


def runs_in(root: Path) -> list[str]:
    with state_directory(root):
        return sorted(path.parent.name for path in root.glob(f"*/{RECORD}"))
