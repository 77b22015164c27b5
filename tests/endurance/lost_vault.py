"""A vault on a file system of its own, which is lost in all the ways in which such a one is, and comes back. Only root can make one."""

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SIZE = 384 << 20
AWAY = "away"
LOSSES = (AWAY, "failing", "read-only", "full", "hanging")
"""An empty file system is in its place, which who has it open does not see; it answers with errors until it is mounted again; nothing can
be written; no space is left; who writes waits until it comes back."""
_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN: as if its disk were gone."""


@dataclass(frozen=True)
class LostVault:
    image: Path
    path: Path

    def mount(self) -> None:
        """By a device of its own: what failed stays as it is for who has it open."""
        device = _done("losetup", "--find", "--show", str(self.image)).strip()
        try:
            _done("mount", device, str(self.path))
        finally:
            _done("losetup", "--detach", device)

    def lose(self, how: str) -> None:
        match how:
            case "away":
                _done("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(self.path))
            case "failing":
                fd = os.open(self.path, os.O_RDONLY)
                try:
                    fcntl.ioctl(fd, _SHUTDOWN, (0).to_bytes(4, "little"))
                finally:
                    os.close(fd)
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
            case "failing":
                _done("umount", "--lazy", str(self.path))
                self.mount()
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
    vault = LostVault(image, path)
    vault.mount()
    try:
        (path / "lost+found").rmdir()
        yield vault
    finally:
        _done("umount", "--lazy", str(path))


def _done(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
