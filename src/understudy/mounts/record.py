"""What is known of a mount on disk: written before anything is begun, removed when nothing is left."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from understudy import engine
from understudy.durable import read_record, state_directory, write_record
from understudy.errors import NotFound, StateFailed

RECORD = "mount.json"
RAW = "disk.raw"
WHOLE = "files"
"""The directory of the files of a disk without partitions."""
_POINTS = re.compile(rf"p\d+|{WHOLE}")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    mount: engine.Mount
    only: tuple[str, ...]
    """Disks that were asked for; all without any."""
    made: bool
    """Whether the directory was not there before."""
    whole: bool = False
    """Whether all was done once that there was to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a mount keeps what it needs."""

    state: Path
    name: str

    @property
    def directory(self) -> Path:
        return mounts_in(self.state) / self.name

    @property
    def record(self) -> Path:
        return self.directory / RECORD

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def process(self) -> Path:
        """The storage daemon's number; by this in its command it is found."""
        return self.directory / "pid"

    @property
    def usual(self) -> Path:
        """Where the files are shown, unless somebody says otherwise."""
        return self.directory / WHOLE

    @property
    def export(self) -> str:
        return engine.checked_name("export", f"{self.name}.mount")

    def overlay(self, disk: str) -> Path:
        return self.directory / f"{disk}.qcow2"


def mounts_in(state: Path) -> Path:
    return state / "mounts"


def places_of(state: Path, name: str) -> Places:
    return Places(state, engine.checked_name("mount", name))


def read(places: Places) -> Record | None:
    """None if there is none. `StateFailed` if it cannot be read: it is not known then what is mounted."""
    hint = f"unmount by hand what `findmnt` shows of it, end its process ({places.process}), then remove {places.directory}"
    return read_record(places.record, Record, hint)


def write(places: Places, record: Record) -> None:
    """Durable when it returns."""
    write_record(places.record, record)


def names_in(state: Path) -> list[str]:
    with state_directory(state):
        return sorted(path.parent.name for path in mounts_in(state).glob(f"*/{RECORD}"))


def name_of(state: Path, said: str) -> str:
    """The mount's own name, where its directory may have been said instead. `NotFound` if there is no such one; `StateFailed` if one whose
    record cannot be read may be it."""
    with state_directory(state):
        if said in (path.name for path in mounts_in(state).glob("*")):
            return said
    wanted, unread = Path(said).resolve(), None
    for name in names_in(state):
        try:
            record = read(places_of(state, name))
        except StateFailed as error:
            unread = error
            continue
        if record is not None and Path(record.mount.directory) == wanted:
            return name
    if unread is not None:
        raise unread
    raise NotFound(f"nothing is mounted here as {said!r}", hint="`understudy mounts` lists what is")


def raw_of(directory: str, disk: str) -> Path:
    return Path(directory) / disk / RAW


def point_of(directory: str, disk: str, partition: int) -> Path:
    """Where the files of a partition are shown, or those of a disk that has none."""
    return Path(directory) / disk / (f"p{partition}" if partition else WHOLE)


def is_ours(directory: str, path: str) -> bool:
    """Whether a mount of this name is one of those that are made below the directory, as far as a name tells."""
    parts = Path(path).parts[len(Path(directory).parts) :]
    return path.startswith(f"{directory}/") and len(parts) == 2 and (parts[1] == RAW or _POINTS.fullmatch(parts[1]) is not None)


def points_in(directory: str) -> Iterator[Path]:
    """Directories below that files may be shown in."""
    for path in sorted(Path(directory).glob("*/*")):
        if path.is_dir() and _POINTS.fullmatch(path.name):
            yield path
