"""What a site keeps about one vault between runs, below `<state>/vaults/<vault id>/`."""

import os
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import StateFailed
from understudy.vault import names


@dataclass(frozen=True, slots=True)
class Memory:
    """Paths only. `owner` is a log's owner as in `names`."""

    directory: Path

    @classmethod
    def of(cls, state: Path, vault_id: str) -> "Memory":
        return cls(state / "vaults" / vault_id)

    def guard(self, owner: str) -> Path:
        return self.directory / "guard" / owner.replace("/", "_")

    def guarded_machines(self) -> list[str]:
        """Ids of the machines whose logs this site has seen."""
        prefix = names.MACHINES.replace("/", "_")
        try:
            found = sorted(path.name for path in (self.directory / "guard").iterdir())
        except FileNotFoundError:
            return []
        return [name.removeprefix(prefix) for name in found if name.startswith(prefix) and "." not in name]

    def log(self, owner: str) -> Path:
        """Where a log's attempt and locks are."""
        return self.directory / owner

    def machines(self) -> list[str]:
        """Ids of the machines that have a directory here."""
        try:
            return sorted(path.name for path in (self.directory / "machines").iterdir() if path.is_dir())
        except FileNotFoundError:
            return []


def replace_file(path: Path, data: bytes) -> None:
    """Atomically and durably: after a crash the file is the old one or the new one. `StateFailed` if the disk says no."""
    staged = path.with_name(path.name + ".new")
    try:
        made = [path.parent, *path.parent.parents]
        missing = [directory for directory in made if not directory.exists()]
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.rename(staged, path)
        for directory in {path.parent, *(directory.parent for directory in missing)}:
            sync_directory(directory)
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}", hint="the state directory must be writable and not full") from error


def sync_directory(path: Path) -> None:
    """A file's name is durable only once its directory is."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
