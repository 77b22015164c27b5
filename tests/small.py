"""A file system of a test's own, which can be filled up to the page. Only root can make one."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = 4096
ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Small:
    path: Path

    @property
    def free(self) -> int:
        """Pages."""
        state = os.statvfs(self.path)
        return state.f_bavail * state.f_frsize // PAGE

    @property
    def _filler(self) -> Path:
        return self.path / "filler"

    def fill(self, leave: int = 0) -> None:
        """All but so many pages."""
        with self._filler.open("wb") as filler:
            if self.free > leave:
                os.posix_fallocate(filler.fileno(), 0, (self.free - leave) * PAGE)

    def fill_inodes(self) -> None:
        """No file can be made any more."""
        self._filler.mkdir()
        with contextlib.suppress(OSError):
            for number in range(1 << 20):
                (self._filler / str(number)).touch()

    def empty(self) -> None:
        if self._filler.is_dir():
            for path in self._filler.iterdir():
                path.unlink()
            self._filler.rmdir()
        self._filler.unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)


@contextlib.contextmanager
def small(path: Path, size: str, inodes: int = 4096) -> Iterator[Small]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}", "tmpfs", str(path)], check=True)
    try:
        yield Small(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
