"""What our objects in somebody else's QEMU are called: recognisable after any crash, never mistaken for another's."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

SOCKET_LIMIT = 107
"""Bytes that a unix socket's path may have."""


@dataclass(frozen=True, slots=True)
class Names:
    """All names for one machine. QEMU's node names have at most 31 characters."""

    FILTER: ClassVar[str] = "-copy"
    FROZEN: ClassVar[str] = "-then"

    machine: str
    """The machine's id."""
    directory: Path
    """The machine's own directory on this host."""

    @property
    def prefix(self) -> str:
        """Every node, job and export of ours begins with it."""
        return f"us-{self.machine[:12]}-"

    def overlay(self, disk: int) -> str:
        """The node that the frozen view is read from."""
        return f"{self.prefix}{disk}-view"

    def filter(self, disk: int) -> str:
        """The node above the disk that copies what is about to be overwritten."""
        return f"{self.prefix}{disk}{self.FILTER}"

    def frozen(self, disk: int) -> str:
        """The node that shows the disk through such a filter as it was."""
        return f"{self.prefix}{disk}{self.FROZEN}"

    def void(self, disk: int) -> str:
        """The node of the disk's size that holds nothing: with the next two it marks a disk's end."""
        return f"{self.prefix}{disk}-void"

    def end(self, disk: int) -> str:
        return f"{self.prefix}{disk}-end"

    def origin(self, disk: int) -> str:
        return f"{self.prefix}{disk}-zero"

    def job(self, disk: int) -> str:
        return f"{self.prefix}{disk}-job"

    def creation(self, disk: int) -> str:
        """The job that makes a scratch file."""
        return f"{self.prefix}{disk}-make"

    def export(self, disk: int) -> str:
        return f"{self.prefix}{disk}-nbd"

    def since_export(self, disk: int) -> str:
        return f"{self.prefix}{disk}-since"

    def bitmap(self, point: str) -> str:
        """The record of what was written since a point's freeze."""
        return f"understudy-{self.machine[:12]}-{point}"

    def kept(self, point: str) -> str:
        """The same, in the image, where it outlives QEMU."""
        return f"{self._kept}{point}"

    def kept_witness(self, size: int) -> str:
        """The witness of its size, in the image."""
        return f"{self._kept}size-{size}"

    def since_bitmap(self, point: str) -> str:
        """A copy of the record that is still being written."""
        return f"{self.bitmap(point)}-copy"

    def selection(self, point: str) -> str:
        """A copy of the base's record: what is to be copied out."""
        return f"{self.bitmap(point)}-push"

    def witness(self, size: int) -> str:
        """A mark at the end of a disk of this size."""
        return f"{self._witness}{size}"

    def owns_witness(self, name: str) -> bool:
        return name.startswith(self._witness)

    @staticmethod
    def profile_prefix(machine: str) -> str:
        """What names of records begin with that count a machine's changes; of a VM without an id, too."""
        return f"understudy-profile-{machine[:12] or 'vm'}-"

    @property
    def _witness(self) -> str:
        return f"understudy-size-{self.machine[:12]}-"

    def owns_bitmap(self, name: str) -> bool:
        return name.startswith(f"understudy-{self.machine[:12]}-")

    def owns_kept(self, name: str) -> bool:
        return name.startswith(self._kept)

    def kept_size(self, name: str) -> bool:
        """Whether it is a kept witness."""
        return name.startswith(f"{self._kept}size-")

    @property
    def _kept(self) -> str:
        return f"understudy-kept-{self.machine[:12]}-"

    @property
    def scratch(self) -> Path:
        return self.directory / "scratch"

    def scratch_file(self, disk: int) -> Path:
        return self.scratch / f"{disk}.qcow2"

    @property
    def socket(self) -> Path:
        """Where QEMU's NBD server listens for us; the same after every restart of ours."""
        usual = self.directory / "nbd.sock"
        if len(os.fsencode(usual)) <= SOCKET_LIMIT:
            return usual
        short = hashlib.blake2b(os.fsencode(self.directory.absolute()), digest_size=12).hexdigest()
        return _runtime_directory() / f"understudy-{short}" / "nbd.sock"


def _runtime_directory() -> Path:
    if os.geteuid() == 0:
        return Path("/run")
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")
