"""Where a run keeps what is its own. A unix socket's path has at most 107 bytes, so directories are short."""

import re
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import InvalidRequest

_RUN = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
_LONGEST = 107


@dataclass(frozen=True, slots=True)
class Places:
    """The directory of one run."""

    directory: Path

    @property
    def record(self) -> Path:
        return self.directory / "run.json"

    @property
    def guard(self) -> Path:
        """Locked by whoever is changing something."""
        return self.directory / "guard"

    @property
    def life(self) -> Path:
        """Locked by the QEMU process for as long as it lives."""
        return self.directory / "life"

    @property
    def control(self) -> Path:
        """The driver's own QMP socket."""
        return self.directory / "ctl"

    @property
    def qmp(self) -> Path:
        """Another one, for whoever replicates the machine."""
        return self.directory / "qmp"

    @property
    def nbd(self) -> Path:
        """Where QEMU shows a disk that is drained."""
        return self.directory / "nbd"

    @property
    def agent(self) -> Path:
        return self.directory / "qga"

    @property
    def variables(self) -> Path:
        """The machine's copy of its UEFI variables."""
        return self.directory / "vars.fd"

    @property
    def console(self) -> Path:
        return self.directory / "console.log"

    @property
    def log(self) -> Path:
        """What QEMU itself said."""
        return self.directory / "qemu.log"

    @property
    def picture(self) -> Path:
        return self.directory / "screen.png"


def places_of(root: Path, run: str) -> Places:
    """`InvalidRequest` for a name that cannot be a directory's, or one that is too long for the sockets in it."""
    if not _RUN.fullmatch(run):
        raise InvalidRequest(f"{run!r} cannot be the name of a run", hint="up to 48 small letters, digits, dots, dashes and underscores")
    places = Places(root.absolute() / run)
    if len(str(places.control).encode()) > _LONGEST:
        raise InvalidRequest(f"{places.control} is too long for a socket's path", hint="choose a shorter state directory")
    return places
