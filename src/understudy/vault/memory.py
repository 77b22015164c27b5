"""What a site keeps about one vault between runs, below `<state>/vaults/<vault id>/`."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from understudy.errors import StateFailed
from understudy.vault import names
from understudy.vault.malformed import MALFORMED

PROMOTIONS = "promotions.json"


class _Followed(msgspec.Struct, frozen=True):
    followed: tuple[str, ...]


def vaults_known(state: Path) -> list[str]:
    """Ids of the vaults that this site has opened. Blocks."""
    return _directories(_below(state))


def _below(state: Path) -> Path:
    return state / "vaults"


@dataclass(frozen=True, slots=True)
class Memory:
    """Paths only. `owner` is a log's owner as in `names`."""

    directory: Path
    promotion: str = ""
    """The newest promotion of a copy that this site has followed, in hex; empty: none. Marks and attempts belong to it."""

    @classmethod
    def of(cls, state: Path, vault_id: str) -> "Memory":
        """Blocks."""
        directory = _below(state) / vault_id
        return cls(directory, "".join(followed(directory)[-1:]))

    @property
    def own(self) -> Path:
        """Where marks and attempts are."""
        return self.directory / "promoted" / self.promotion if self.promotion else self.directory

    @property
    def is_current(self) -> bool:
        """False if another process of this site has followed a promotion since. Blocks."""
        return "".join(followed(self.directory)[-1:]) == self.promotion

    def guard(self, owner: str) -> Path:
        return self.own / "guard" / owner.replace("/", "_")

    def guarded_machines(self) -> list[str]:
        """Ids of the machines whose logs this site has seen."""
        prefix = names.MACHINES.replace("/", "_")
        try:
            found = sorted(path.name for path in (self.own / "guard").iterdir())
        except FileNotFoundError:
            return []
        return [name.removeprefix(prefix) for name in found if name.startswith(prefix) and "." not in name]

    def claims(self, owner: str) -> Path:
        """Which of a log's claims are this site's, whatever was promoted."""
        return (self.directory / "guard" / owner.replace("/", "_")).with_suffix(".claims")

    def log(self, owner: str) -> Path:
        """What this host keeps of a log's machine."""
        return self.directory / owner

    def appending(self, owner: str) -> Path:
        """Where a log's attempt and lock are."""
        return self.own / owner

    def machines(self) -> list[str]:
        """Ids of the machines that have a directory here."""
        return _directories(self.directory / "machines")

    def appended(self) -> list[str]:
        """Ids of the machines to whose logs something was, or was to be, appended from here."""
        return _directories(self.own / "machines")


def followed(directory: Path) -> tuple[str, ...]:
    """Ids of the promotions that a site has followed, in hex, oldest first. Blocks."""
    path = directory / PROMOTIONS
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Followed).followed
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StateFailed(f"{path}: {error.strerror or error}", hint="check --state-dir, and who may read there") from error
    except (ValueError, *MALFORMED) as error:
        hint = "it names the promoted copy that this site goes by: put it back, or move the directory that it is in aside"
        raise StateFailed(f"{path} is damaged: {error}", hint=hint) from error


def _directories(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []
