"""A file for each peer that is let in. To take it away needs no room on a disk, so that a full one keeps nobody in."""

import os
import time
from pathlib import Path

from understudy.durable import remove, state_directory, sync_directory


class Permits:
    """In a directory of their own, by name and id. Every method blocks; `StateFailed` if the disk says no."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "permits"

    def give(self, name: str, peer: str) -> None:
        """Durable when it returns."""
        with state_directory(self._directory):
            if not self._directory.exists():
                self._directory.mkdir(exist_ok=True, mode=0o700)
                sync_directory(self._directory.parent)
            os.close(os.open(self._path(name, peer), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            sync_directory(self._directory)

    def has(self, name: str, peer: str) -> bool:
        with state_directory(self._directory):
            return self._path(name, peer).exists()

    def withdraw(self, named: str) -> bool:
        """Of who has this name or id, durably; False if nobody had any."""
        with state_directory(self._directory):
            paths = [path for path in self._directory.glob("*") if named in (path.name.rpartition(".")[0], path.name.rpartition(".")[2])]
            for path in paths:
                remove(path)
        return bool(paths)

    def last(self) -> int:
        """When one was given or taken away last; nanoseconds."""
        with state_directory(self._directory):
            return self._directory.stat().st_mtime_ns if self._directory.exists() else time.time_ns()

    def _path(self, name: str, peer: str) -> Path:
        return self._directory / f"{name}.{peer}"
