"""Images as they are: whether anything has one open, and what one is known to hold put on record without reading it."""

import asyncio
import os
import stat
from pathlib import Path

from understudy.errors import NotFound, Unsupported
from understudy.recovery import standing as st
from understudy.recovery.failure import target_failed
from understudy.recovery.image_lock import lock_image
from understudy.recovery.place import Place, open_existing
from understudy.recovery.standing import Holds, Standing, Subject
from understudy.vault.kinds import PointDisk


def unused(path: Path) -> None:
    """`Conflict` while a VM or a QEMU tool has the image, whatever its format; `NotFound`. Blocks the caller."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"there is no {path}") from None
    except OSError as error:
        raise target_failed(path, "opening it", error) from error
    try:
        lock_image(fd, path)
    finally:
        os.close(fd)


async def record_as(place: Place, disk: PointDisk, subject: Subject, point: str, proven: int) -> None:
    """The image holds this disk as of `point`: whoever says so has proven it (`proven`: when, wall-clock ns), or knows it.

    `Conflict` while it is in use, `TargetFailed` if it has not the disk's size, `Unsupported` for a device.
    """
    path = place.path.resolve()
    if path.exists() and stat.S_ISBLK(path.stat().st_mode):
        raise Unsupported(f"{path} is a block device: nothing tells what was written to one meanwhile", hint="keep a standby in files")
    opened = await open_existing(place, disk, subject)
    await opened.target.close()
    if opened.held == Holds(point):
        return
    await asyncio.to_thread(unused, path)
    identity = await st.settled(path)
    st.write(path, Standing(subject=subject, holds=point, inode=identity.inode, identity=identity, proven=proven))
