"""Opening what a disk is to be laid on: a block device, an existing image, or a new one under its temporary name."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from understudy.errors import Conflict, NotFound, TargetFailed
from understudy.recovery import standing as st
from understudy.recovery.failure import target_failed
from understudy.recovery.image_lock import lock_image, while_busy
from understudy.recovery.protocol import Resizing, Target, unminded
from understudy.recovery.qcow2 import Qcow2Target
from understudy.recovery.raw import RawTarget, not_this_disk
from understudy.recovery.standing import Held, Identity, Sparse, Standing, Subject, Unknown
from understudy.vault.kinds import PointDisk

ImageFormat: TypeAlias = Literal["raw", "qcow2"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a disk goes. On a block device it is laid as it is; `format` is then "raw". `option`: that of the command which named it by
    which what is there may be overwritten."""

    path: Path
    format: ImageFormat
    option: str = "--overwrite"


@dataclass(slots=True)
class Opened:
    """A target, open and locked, and what it holds. `path` is its final name, `file` its present one."""

    target: Target
    held: Held
    path: Path
    file: Path
    device: bool = False
    proven: int = 0
    """When the whole of it was last proven (wall-clock ns), as far as that is on record."""

    @property
    def new(self) -> bool:
        """It has not got its final name yet."""
        return self.file != self.path


def admit(place: Place, disk: PointDisk, subject: Subject, *, overwrite: bool) -> None:
    """Refuse a place that is not to be written to; nothing is touched.

    Conflict for a device, a file that we do not know as an image of this disk, or one that was used since, unless `overwrite`;
    TargetFailed for what can never take the disk.
    """
    path = place.path.resolve()
    status = _status(path)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        raise TargetFailed(f"{path} is a directory", hint="name a file in it, or use --to")
    if stat.S_ISBLK(status.st_mode):
        if place.format != "raw":
            raise Conflict(f"{path} is a block device and takes the disk as it is", hint="ask for the raw format")
        if not overwrite:
            raise Conflict(f"{path} is a block device: what it holds would be lost", hint=f"allow it to be overwritten ({place.option})")
    elif status.st_size:
        _admit_file(path, status, place, disk, subject, overwrite)


def _admit_file(path: Path, status: os.stat_result, place: Place, disk: PointDisk, subject: Subject, overwrite: bool) -> None:
    standing = st.read(path)
    ours = st.ours(standing, subject, status.st_ino)
    if not ours and place.format == "raw" and status.st_size != disk.size:
        raise not_this_disk(path, status.st_size, disk.size)
    if overwrite:
        return
    hint = f"name another target, or allow it to be overwritten ({place.option})"
    if not ours:
        raise Conflict(f"{path} exists and is not known to be an image of disk {disk.name!r} of this machine", hint=hint)
    if st.in_use(standing, Identity.of(path)):
        raise Conflict(f"{path} was written to since it was restored: what is in no recovery point would be lost", hint=hint)


async def open_place(place: Place, disk: PointDisk, subject: Subject, towards: str, *, overwrite: bool) -> Opened:
    """Open or make it, if it is admitted. When this returns, a new file's sidecar says that it is being made, and to hold which point.

    Conflict also for a file in use, always.
    """
    admit(place, disk, subject, overwrite=overwrite)
    path = place.path.resolve()
    making = Standing(subject=subject, towards=towards)
    status = _status(path)
    if status is None:
        return await _make(path, place.format, disk, making)
    if stat.S_ISBLK(status.st_mode):
        target = RawTarget.open(path, disk.size, disk.sector, resize=False, read_back=True)
        return Opened(target, Unknown("a device keeps no record of what it holds"), path, path, device=True)
    standing = st.read(path)
    ours = st.ours(standing, subject, status.st_ino)
    if not status.st_size:
        st.write(path, msgspec.structs.replace(making, inode=status.st_ino))
        return Opened(await _onto_empty(path, place.format, disk), Sparse(), path, path)
    held = st.held(standing, subject, Identity.of(path))

    def resizing() -> None:
        st.write(path, msgspec.structs.replace(making, inode=status.st_ino))

    return Opened(
        await _open(path, place.format, disk, ours, resizing), held, path, path, proven=standing.proven if standing is not None else 0
    )


async def open_existing(place: Place, disk: PointDisk, subject: Subject, *, read_only: bool = False) -> Opened:
    """Open an image or device whatever it holds; it is neither made nor resized, and nothing is put on record. `read_only`: a file is not
    even touched.

    `NotFound`; `Conflict` if it is in use; `TargetFailed` if it has not the disk's size.
    """
    path = place.path.resolve()
    status = _status(path)
    if status is None:
        raise NotFound(f"there is no {path}", hint="a new image is made by restoring, or as a standby")
    if stat.S_ISBLK(status.st_mode):
        target = RawTarget.open(path, disk.size, disk.sector, resize=False)
        return Opened(target, Unknown("a device keeps no record of what it holds"), path, path, device=True)
    if place.format == "raw" and status.st_size != disk.size:
        raise not_this_disk(path, status.st_size, disk.size)
    standing = st.read(path)
    held = st.held(standing, subject, Identity.of(path))
    opened = await _open(path, place.format, disk, ours=False, read_only=read_only)
    return Opened(opened, held, path, path, proven=standing.proven if standing else 0)


async def _make(path: Path, format: ImageFormat, disk: PointDisk, making: Standing) -> Opened:
    """A new file under its temporary name, or the one that an interrupted restore left."""
    file = st.partial(path)
    inode = _inode(file)
    if inode:
        left = st.read(path)
        if left is None or not left.towards or left.inode not in (0, inode):
            raise Conflict(f"{file} is in the way and was not made by a restore", hint="remove it")
        if format == "raw" and left.subject == making.subject:
            st.write(path, msgspec.structs.replace(making, inode=inode))
            return Opened(await _open(file, format, disk, ours=True), Unknown("an earlier restore to it was not finished"), path, file)
        # What a crash left of a qcow2 image may be inconsistent inside.
        await while_busy(lambda: _discard(file))
    # Before the file: whoever finds that must be able to tell whose it is.
    st.write(path, making)
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise target_failed(file, "making it", error) from error
    st.write(path, msgspec.structs.replace(making, inode=_inode(file)))
    return Opened(await _onto_empty(file, format, disk), Sparse(), path, file)


async def _onto_empty(path: Path, format: ImageFormat, disk: PointDisk) -> Target:
    if format == "qcow2":
        return await Qcow2Target.create(path, disk.size)
    return RawTarget.open(path, disk.size, disk.sector, resize=True, read_back=True)


async def _open(
    path: Path, format: ImageFormat, disk: PointDisk, ours: bool, resizing: Resizing = unminded, *, read_only: bool = False
) -> Target:
    if format == "qcow2":
        return await Qcow2Target.open(path, disk.size, resize=ours, resizing=resizing, read_only=read_only)

    async def attempt() -> RawTarget:
        return RawTarget.open(path, disk.size, disk.sector, resize=ours, resizing=resizing)

    return await while_busy(attempt)


async def _discard(file: Path) -> None:
    """Remove what an interrupted restore left, unless another one is at work on it."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            lock_image(fd, file)
            os.unlink(file)
        finally:
            os.close(fd)
    except OSError as error:
        raise target_failed(file, "removing what an earlier restore left", error) from error


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise target_failed(path, "opening it", error) from error


def _inode(file: Path) -> int:
    """0 if it does not exist."""
    status = _status(file)
    return status.st_ino if status else 0
