"""A vault on a file system of its own, which is lost in all the ways in which such a one is, and comes back. Only root can make one."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SIZE = 384 << 20
LOSSES = ("away", "read-only", "full", "hanging")
"""Another file system is over it, an empty one; nothing can be written; no space is left; who writes waits until it comes back."""


@dataclass(frozen=True)
class LostVault:
    path: Path

    def lose(self, how: str) -> None:
        match how:
            case "away":
                _done("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(self.path))
            case "read-only":
                # As far as it can be: who writes just now may hinder it.
                _done("mount", "-o", "remount,ro,bind", str(self.path))
            case "full":
                with self._filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
                    state = os.statvfs(self.path)
                    os.posix_fallocate(filler.fileno(), 0, max(1, state.f_bavail * state.f_frsize - (64 << 10)))
                    while filler.write(bytes(4096)):
                        filler.seek(0, os.SEEK_END)
            case "hanging":
                _done("fsfreeze", "--freeze", str(self.path))

    def find(self, how: str) -> list[str]:
        """It is there again. What was written meanwhile to what was in its place."""
        match how:
            case "away":
                strays = sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*"))
                _done("umount", "--lazy", str(self.path))
                return strays
            case "read-only":
                _done("mount", "-o", "remount,rw,bind", str(self.path))
            case "full":
                self._filler.unlink()
            case "hanging":
                _done("fsfreeze", "--unfreeze", str(self.path))
        return []

    @property
    def _filler(self) -> Path:
        return self.path / "filler"


@contextlib.contextmanager
def lost_vault(image: Path, path: Path) -> Iterator[LostVault]:
    """An empty directory `path`, kept in the file `image`."""
    with image.open("wb") as file:
        file.truncate(SIZE)
    _done("mkfs.ext4", "-q", str(image))
    path.mkdir()
    _done("mount", "-o", "loop", str(image), str(path))
    try:
        (path / "lost+found").rmdir()
        # So that only this place of it becomes read-only: who has a file open for writing hinders the whole.
        yield LostVault(path)
    finally:
        _done("umount", "--lazy", str(path))


def _done(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
