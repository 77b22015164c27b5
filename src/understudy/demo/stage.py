"""Where the demonstration plays: the guest kit, the accelerator, and a directory that is gone afterwards."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy

from understudy.demo.accelerator import Finding, find_accelerator
from understudy.demo.disks import make_disk
from understudy.demo.guest import Guest
from understudy.demo.kit import Kit, build_kit
from understudy.demo.machine import GuestDisk, Mode
from understudy.errors import InvalidRequest, TargetFailed

DISK_SIZE = 1 << 30
# Between two records; with the time that one takes, some hundred records a second under emulation.
_PAUSE_MS = "5"
_SPACE_MIB = 1500


@dataclass(frozen=True)
class Stage:
    """``work`` holds disks, vault and key; ``runtime``, whose path is short, sockets and logs. ``run`` marks this run's records."""

    work: Path
    runtime: Path
    kit: Kit
    accelerator: Finding
    run: str

    async def start(self, mode: Mode, disks: Sequence[GuestDisk]) -> Guest:
        directory = self.runtime / mode
        directory.mkdir()
        options = {"run": self.run, "pause": _PAUSE_MS}
        return await Guest.start(self.kit, self.accelerator.accelerator, directory, mode, disks, options=options)

    async def make_disks(self) -> list[GuestDisk]:
        """A raw and a qcow2 disk with a file system each; the first holds some real files, so that there is something to replicate."""
        content = self.work / "content"
        await asyncio.to_thread(self._collect, content)
        raw = await asyncio.to_thread(make_disk, self.work / "vda.raw", "raw", DISK_SIZE, content=content)
        qcow2 = await asyncio.to_thread(make_disk, self.work / "vdb.qcow2", "qcow2", DISK_SIZE)
        await asyncio.to_thread(shutil.rmtree, content)
        return [raw, qcow2]

    def _collect(self, content: Path) -> None:
        content.mkdir()
        shutil.copy(self.kit.kernel, content)
        shutil.copytree(Path(numpy.__file__).parent, content / "numpy")


@asynccontextmanager
async def set_up(keep: Path | None) -> AsyncIterator[Stage]:
    """Build what is missing, then a place to play at; ``keep`` names a new directory that is left behind, for whoever wants to look."""
    kit = await asyncio.to_thread(build_kit)
    accelerator = await asyncio.to_thread(find_accelerator, kit)
    runtime = Path(tempfile.mkdtemp(prefix="understudy-demo-"))
    try:
        work = runtime if keep is None else _made(keep)
        free = shutil.disk_usage(work).free >> 20
        if free < _SPACE_MIB:
            raise TargetFailed(
                f"the demonstration needs {_SPACE_MIB} MiB in {work}, and {free} MiB are free",
                hint="free some space, or name another place: TMPDIR=/elsewhere understudy demo",
            )
        yield Stage(work, runtime, kit, accelerator, secrets.token_hex(8))
    finally:
        shutil.rmtree(runtime)


def _made(directory: Path) -> Path:
    directory = directory.absolute()
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise InvalidRequest(
            f"cannot make {directory}: {error.strerror}", hint="--keep names a directory that does not exist yet"
        ) from None
    return directory
