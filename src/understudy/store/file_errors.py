"""What the operating system says, in words for an operator."""

import errno
import os
from pathlib import Path

from understudy.errors import InvalidRequest, StoreRefused, StoreUnavailable, UnderstudyError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM}


def translate(error: OSError, root: Path, name: str) -> UnderstudyError:
    """The member of our error family for a failed system call below `root`."""
    what = f"{root / name if name else root}: {error.strerror or error}"
    if error.errno in _FULL:
        return StoreUnavailable(what, hint=f"free space on the file system of {root}{_room(root)}, or raise its quota; nothing was lost")
    if error.errno == errno.EROFS:
        return StoreRefused(
            what, hint=f"the file system of {root} is mounted read-only; look for its errors in the kernel log, repair and remount it"
        )
    if error.errno in _FORBIDDEN:
        return StoreRefused(what, hint=f"uid {os.geteuid()} needs read, write and search permission on everything below {root}")
    if error.errno == errno.ENAMETOOLONG:
        return InvalidRequest(what)
    if error.errno in (errno.ENOTDIR, errno.EISDIR):
        return StoreRefused(what, hint=f"files and directories are mixed up: is {root} a vault and nothing else?")
    if error.errno == errno.ENOENT:
        return StoreUnavailable(what, hint=f"is the file system that should hold {root} mounted?")
    return StoreUnavailable(what, hint=f"check the disk or mount that holds {root}; the kernel log may say more")


def _room(root: Path) -> str:
    try:
        status = os.statvfs(root)
    except OSError:
        return ""
    return f" ({status.f_bavail * status.f_frsize >> 20} MiB and {status.f_favail} inodes left)"
