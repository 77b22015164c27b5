"""What a disk held that no point does, put aside before a rollback overwrites it: a directory that an export of the point takes as its
overlay, and a record of what it is. Complete on record only once all of it is durable.
"""

import asyncio
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec
import numpy as np

from understudy import extents as ext
from understudy.durable import replace_file, sync_directory
from understudy.errors import StateFailed
from understudy.model import BLOCK_SIZE, Bytes, Extents, blocks_of
from understudy.recovery.export.marks import Whose
from understudy.recovery.export.overlay import Overlay, discard_overlays, files_of
from understudy.recovery.lanes import each, spread
from understudy.recovery.progress import Meter
from understudy.recovery.protocol import Target
from understudy.recovery.standing import Identity

FORMAT = 1
RECORD = "orphan.json"
UNIT_BLOCKS = 1024
LANES = 4

OrphanState: TypeAlias = Literal["saving", "saved", "done"]


class OrphanDisk(msgspec.Struct, frozen=True, kw_only=True):
    """One disk's part. `id` in hex, `size` in bytes, `path` of the image that it was saved from."""

    id: str
    size: int
    path: str
    identity: Identity | None = None
    """Of that image when it was saved; None until then, and for a device."""
    overwriting: bool = False
    """The image may have been written to since: what is saved of it must not be replaced any more."""


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """Ids in hex, disks by name, wall-clock ns. saving: not whole, and nothing of the images was changed; saved: whole, the images are
    being brought back; done: they are at the point.
    """

    format: int = FORMAT
    vault: str
    machine: str
    point: str
    made: int
    state: OrphanState
    disks: dict[str, OrphanDisk]
    saved: int | None = None
    """Bytes of what differed from the point, zeros too; None: not counted yet."""

    def whose(self, disk: str) -> Whose:
        there = self.disks[disk]
        return Whose(vault=self.vault, machine=self.machine, point=self.point, disk=there.id, size=there.size)


class Beneath:
    """What an overlay of saved blocks lies on while they are saved: all of it counts as data, so that a zero is said, too."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def data(self, first: int, blocks: int) -> Extents:
        return np.array([[first, blocks]], dtype=np.int64)

    async def read(self, offset: int, length: int) -> Bytes | None:
        raise AssertionError("blocks are saved as a whole")


def read_orphan(directory: Path) -> Orphan | None:
    """None if there is none. `StateFailed` if it cannot be read: what it names is not to be touched then."""
    path = directory / RECORD
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Orphan)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise StateFailed(
            f"{path} cannot be read: {error}", hint="put what was saved aside by hand, before you remove its directory"
        ) from None
    if found.format != FORMAT:
        raise StateFailed(f"{path} is of format {found.format}, which this understudy does not know", hint="use the one that wrote it")
    return found


def write_orphan(directory: Path, orphan: Orphan) -> None:
    """Durable when it returns."""
    replace_file(directory / RECORD, msgspec.json.format(msgspec.json.encode(orphan)) + b"\n")


def drop_orphan(directory: Path, orphan: Orphan) -> None:
    """Delete what was saved; `Busy`, and nothing deleted, while an export has it. The record goes last. Blocks the caller."""
    discard_overlays(directory, [disk.id for disk in orphan.disks.values()])
    try:
        (directory / RECORD).unlink(missing_ok=True)
        directory.rmdir()
        sync_directory(directory.parent)
    except OSError as error:
        raise StateFailed(f"{directory} cannot be removed: {error.strerror}", hint="see what else is in it") from None


def bytes_of(directory: Path, orphan: Orphan) -> int:
    """That its saved blocks take on the disk."""
    files = (files_of(directory, disk.id)[0] for disk in orphan.disks.values())
    return sum(file.stat().st_blocks * 512 for file in files if file.exists())


def must_fit(directory: Path, wanted: Mapping[str, Extents]) -> None:
    """`StateFailed` unless the file system has room for these blocks of all disks. `directory` exists."""
    need = sum(ext.total(extents) for extents in wanted.values()) * BLOCK_SIZE
    need += need // 128 + len(wanted) * (1 << 20)  # what the file system and the marks take beside
    state = os.statvfs(directory)
    room = state.f_bavail * state.f_frsize
    if room < need:
        raise StateFailed(
            f"what the images hold beyond the point may take {need >> 20} MiB, and {directory} has {room >> 20} MiB left",
            hint="nothing was changed: free space there, or name a directory on a larger file system",
        )


class Saving:
    """The overlays of one orphan, open for more blocks."""

    def __init__(self, directory: Path, orphan: Orphan) -> None:
        """Blocks the caller. `Busy` while an export has one of them."""
        self._files = ExitStack()
        self._overlays: dict[str, Overlay] = {}
        with ExitStack() as files:
            for name, disk in orphan.disks.items():
                self._overlays[name] = Overlay(directory, Beneath(disk.size), orphan.whose(name))
                files.callback(self._overlays[name].close)
            self._files = files.pop_all()

    def close(self) -> None:
        self._files.close()

    def missing(self, disk: str, extents: Extents) -> Extents:
        """What of these is not saved."""
        overlay = self._overlays[disk]
        return ext.difference(extents, overlay.here(0, blocks_of(overlay.size)))

    def bytes(self, disk: str) -> int:
        """Of blocks that are saved."""
        overlay = self._overlays[disk]
        return ext.total(overlay.here(0, blocks_of(overlay.size))) * BLOCK_SIZE

    async def save(self, disk: str, extents: Extents, image: Target, meter: Meter) -> None:
        """These blocks as the image has them now; durable when it returns."""
        overlay = self._overlays[disk]

        async def copy(unit: Extents) -> None:
            data = np.empty(ext.total(unit) * BLOCK_SIZE, dtype=np.uint8)
            await image.read_into(unit, data)
            used = await asyncio.to_thread(lambda: np.any(data.reshape(-1, BLOCK_SIZE) != 0, axis=1))
            numbers = ext.block_numbers(unit)
            filled = ext.runs(used, unit)
            at = np.searchsorted(numbers, filled[:, 0])
            for (first, blocks), start in zip(filled.tolist(), at.tolist(), strict=True):
                length = min(blocks * BLOCK_SIZE, overlay.size - first * BLOCK_SIZE)
                await overlay.write(first * BLOCK_SIZE, data[start * BLOCK_SIZE : start * BLOCK_SIZE + length])
            for first, blocks in ext.runs(~used, unit).tolist():
                length = min(blocks * BLOCK_SIZE, overlay.size - first * BLOCK_SIZE)
                await overlay.write_zeroes(first * BLOCK_SIZE, length, punch=True)
            meter.add(len(data))

        try:
            await spread(each(ext.units(extents, UNIT_BLOCKS, UNIT_BLOCKS)), copy, LANES)
            await overlay.flush()
        except OSError as error:
            raise StateFailed(
                f"what disk {disk!r} holds beyond the point cannot be saved: {error.strerror}",
                hint="nothing that is not saved was overwritten; free space and repeat",
            ) from error
