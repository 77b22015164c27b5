"""A qcow2 image around a raw one: the disk's bytes stay in the raw file as they are, and what QEMU notes down about them gets a place."""

import asyncio
import os
import shutil
import stat
import tempfile
from pathlib import Path

from understudy.durable import sync_directory
from understudy.errors import Conflict, InvalidRequest, NotFound, TargetFailed
from understudy.qemu.image_locks import CONSISTENT_READ, USED, WITHOUT_LOCKS, WRITE, held_by_another
from understudy.recovery.failure import target_failed
from understudy.recovery.qemu_tools import image_info, qemu_img

SECTOR = 512


async def wrap(raw: Path, to: Path) -> int:
    """Make `to`, which must not exist; the disk's size in bytes. `raw` is not opened for writing; Conflict while a VM has it.

    Killed, nothing is left but a directory `.<name>.…` beside it.
    """
    raw, to, size, work = await asyncio.to_thread(_begun, raw, to)
    try:
        made = work / to.name
        # Around an empty stand-in first: QEMU empties the data file that it makes an image around.
        options = f"data_file={_escaped(work / 'data')},data_file_raw=on,preallocation=metadata"
        await qemu_img("create", "-q", "-f", "qcow2", "-o", options, os.fspath(made), str(size))
        await qemu_img("amend", "-q", "-f", "qcow2", "-o", f"data_file={_escaped(raw)}", os.fspath(made))
        _check(made, raw, size, await image_info(made))
        await asyncio.to_thread(_publish, made, to, raw.stat())
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)
    return size


def _begun(raw: Path, to: Path) -> tuple[Path, Path, int, Path]:
    """Both as absolute paths, the disk's size, and a directory to work in."""
    raw, to = raw.resolve(), to.absolute()
    size = _size(raw)
    if os.path.lexists(to):
        raise Conflict(f"{to} exists already", hint="name a file that does not exist, or remove this one if it is not needed")
    try:
        return raw, to, size, Path(tempfile.mkdtemp(prefix=f".{to.name}.", dir=to.parent))
    except OSError as error:
        raise target_failed(to, "making it", error) from error


def _size(raw: Path) -> int:
    try:
        descriptor = os.open(raw, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"there is no {raw}") from None
    except OSError as error:
        raise target_failed(raw, "opening it", error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidRequest(f"{raw} is no regular file", hint="what is written to a block device by another way cannot be seen")
        if os.pread(descriptor, 4, 0) == b"QFI\xfb":
            raise InvalidRequest(f"{raw} is a qcow2 image", hint="that needs no wrapper: QEMU keeps its record of changes in it")
        if not status.st_size or status.st_size % SECTOR:
            raise InvalidRequest(f"{raw} has {status.st_size} bytes, not a whole number of sectors", hint="is this a disk's raw image?")
        if _in_use(descriptor):
            raise Conflict(f"{raw} is in use by a VM or a QEMU tool", hint="shut the VM down first")
        return status.st_size
    finally:
        os.close(descriptor)


def _in_use(descriptor: int) -> bool:
    try:
        return any(held_by_another(descriptor, USED + bit) for bit in (CONSISTENT_READ, WRITE))
    except OSError as error:
        if error.errno in WITHOUT_LOCKS:
            return False
        raise


def _check(made: Path, raw: Path, size: int, info: dict[str, object]) -> None:
    """What was asked for is what QEMU will read."""
    specific = info["format-specific"]
    assert isinstance(specific, dict)
    found = (info["virtual-size"], specific["data"].get("data-file"), specific["data"].get("data-file-raw"))
    if found != (size, os.fspath(raw), True):
        raise TargetFailed(f"qemu-img made {made.name} otherwise than it was told: {found}", hint="is this qemu-img older than 6.0?")


def _publish(made: Path, to: Path, like: os.stat_result) -> None:
    """For whoever may use the raw file. Durable when it returns; nothing is overwritten."""
    try:
        if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(made, like.st_uid, like.st_gid)
        made.chmod(stat.S_IMODE(like.st_mode))
        descriptor = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.link(made, to)
        sync_directory(to.parent)
    except FileExistsError:
        raise Conflict(f"{to} exists already") from None
    except OSError as error:
        raise target_failed(to, "making it", error) from error


def _escaped(path: Path) -> str:
    """As qemu-img wants a value among options."""
    return os.fspath(path).replace(",", ",,")
