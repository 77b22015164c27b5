"""What this host keeps of its test failovers: what was decided before it was done, how far it came, and the evidence."""

import re
import shutil
from pathlib import Path

import msgspec

from understudy.durable import read_record, remove, replace_file, state_directory, sync_directory, write_record
from understudy.engine import Check, Drill
from understudy.errors import Conflict, NotFound, StateFailed
from understudy.hypervisor.protocol import Addresses
from understudy.replica.values import StartReplica

KEPT = 20
"""Tests of one machine that are remembered, with their evidence."""
RECORD, PICTURE, CONSOLE = "drill.json", "picture", "console.txt"
SEED = "seed.iso"
_ID = re.compile(r"[0-9a-f]{32}")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided. `keep_for`: seconds, counted from when it was looked at."""

    drill: Drill
    order: StartReplica
    """What is started."""
    checks: tuple[Check, ...]
    addresses: dict[str, Addresses] = msgspec.field(default_factory=dict)
    """What the guest is given, by a network card's own address."""
    cleanup: bool = False
    keep_for: float = 0.0
    removed: bool = False
    """Nothing of what was started is left."""


class DrillFiles:
    """`root`: a directory of this site's own, the same after a restart. Everything blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, id_: str) -> Kept | None:
        """None if there is none. `StateFailed` if it cannot be read."""
        directory = self._directory(id_)
        return read_record(directory / RECORD, Kept, f"see what runs (`understudy exports`), and end it; then move {directory} away")

    def write(self, kept: Kept) -> Kept:
        """Durable when it returns."""
        write_record(self._directory(kept.drill.id) / RECORD, kept)
        return kept

    def all(self) -> list[Kept]:
        """Oldest first, without those that cannot be read."""
        return self._seen()[0]

    def damaged(self) -> dict[str, StateFailed]:
        """Why some cannot be read, by their ids. Of which machine they are nobody knows."""
        return self._seen()[1]

    def open(self, machine: str) -> Kept | None:
        """The one of a machine (its id) that is not cleaned up. `StateFailed` if that may be one that cannot be read."""
        kept, damaged = self._seen()
        for error in damaged.values():
            raise error
        return next((one for one in kept if one.drill.machine_id == machine and one.drill.state != "cleaned"), None)

    def find(self, id_: str) -> Kept:
        """By its id, or how that begins. `StateFailed` if it cannot be read."""
        kept, damaged = self._seen()
        for name, error in damaged.items():
            if id_ and name.startswith(id_):
                raise error
        found = [one for one in kept if id_ and one.drill.id.startswith(id_)]
        if not found:
            raise NotFound(f"this host knows no test {id_!r}", hint="`understudy drill list` names them")
        if len(found) > 1:
            raise Conflict(f"{len(found)} tests begin with {id_!r}", hint="write more of the id")
        return found[0]

    def _seen(self) -> tuple[list[Kept], dict[str, StateFailed]]:
        with state_directory(self._root):
            names = sorted(path.parent.name for path in self._root.glob(f"*/{RECORD}") if _ID.fullmatch(path.parent.name))
        found, damaged = list[Kept](), dict[str, StateFailed]()
        for name in names:
            try:
                kept = self.read(name)
            except StateFailed as error:
                damaged[name] = error
            else:
                found += [kept] if kept is not None else []
        return sorted(found, key=lambda kept: (kept.drill.asked_at, kept.drill.id)), damaged

    def put(self, id_: str, name: str, data: bytes) -> None:
        replace_file(self._directory(id_) / name, data)

    def get(self, id_: str, name: str) -> bytes:
        """Empty if there is none."""
        with state_directory(self._root):
            try:
                return (self._directory(id_) / name).read_bytes()
            except FileNotFoundError:
                return b""

    def seed(self, id_: str) -> Path:
        """Where the guest's addresses are, for cloud-init in it."""
        return self._directory(id_) / SEED

    def thin(self, machine: str) -> None:
        """Forget the oldest that are over."""
        over = [kept for kept in self.all() if kept.drill.machine_id == machine and kept.drill.state == "cleaned"]
        for kept in over[:-KEPT]:
            directory = self._directory(kept.drill.id)
            with state_directory(directory):
                remove(directory / RECORD)
                shutil.rmtree(directory)
                sync_directory(self._root)

    def _directory(self, id_: str) -> Path:
        if not _ID.fullmatch(id_):
            raise NotFound(f"{id_[:80]!r} is no test's id", hint="`understudy drill list` names them")
        return self._root / id_
