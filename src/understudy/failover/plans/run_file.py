"""`plans/<run>/run.json` in the state directory: a run as it is, replaced before anything is done that it says."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from understudy.durable import replace_file, state_directory, sync_directory
from understudy.engine import PlanRun
from understudy.errors import StateFailed

_NAME = "run.json"


class RunFiles:
    """`directory` may be absent."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, run: str) -> Path:
        """Where a run keeps what its scripts need."""
        return self._directory / run

    def read(self, run: str) -> PlanRun | None:
        """None if there is none. `StateFailed` if it cannot be read: then nothing may be concluded."""
        path = self.of(run) / _NAME
        with state_directory(self._directory):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            return msgspec.json.decode(data, type=PlanRun)
        except msgspec.DecodeError as error:
            raise StateFailed(
                f"{path} cannot be read: {error}",
                hint="see there how far the run was; remove its directory to forget it, and start the plan anew",
            ) from None

    def write(self, run: PlanRun) -> None:
        """Durable when it returns."""
        replace_file(self.of(run.id) / _NAME, msgspec.json.encode(run))

    def all(self) -> Iterator[PlanRun]:
        """Those that can be read."""
        with state_directory(self._directory):
            names = sorted(path.name for path in self._directory.iterdir()) if self._directory.exists() else []
        for name in names:
            try:
                run = self.read(name)
            except StateFailed:
                continue
            if run is not None:
                yield run

    def remove(self, run: str) -> None:
        """The vault has its report, and its job has ended."""
        with state_directory(self._directory):
            path = self.of(run)
            if path.exists():
                # The run first: what is left of a directory without it is nothing.
                (path / _NAME).unlink(missing_ok=True)
                sync_directory(path)
                shutil.rmtree(path)
