"""What a site keeps about one vault between runs, below `<state>/vaults/<vault id>/`."""

from dataclasses import dataclass
from pathlib import Path

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

    def claims(self, owner: str) -> Path:
        """Which of a log's claims are this site's."""
        return self.guard(owner).with_suffix(".claims")

    def log(self, owner: str) -> Path:
        """Where a log's attempt and locks are."""
        return self.directory / owner

    def machines(self) -> list[str]:
        """Ids of the machines that have a directory here."""
        try:
            return sorted(path.name for path in (self.directory / "machines").iterdir() if path.is_dir())
        except FileNotFoundError:
            return []
