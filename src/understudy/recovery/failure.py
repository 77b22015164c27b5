"""A failing target in an operator's words."""

import errno
from pathlib import Path

from understudy.errors import TargetFailed

_HINTS = {
    errno.ENOSPC: "free some space there and repeat the command: it goes on with what is already written",
    errno.EDQUOT: "raise the quota and repeat the command: it goes on with what is already written",
    errno.EFBIG: "this file system (or a limit of this process, ulimit -f) does not allow a file of that size",
    errno.EIO: "the device below has failed: see the kernel's log, and restore to another one",
    errno.EROFS: "it is mounted read-only: restore to another place",
    errno.EACCES: "run this as a user who may write there",
    errno.EPERM: "run this as a user who may write there",
    errno.EBUSY: "it is mounted or belongs to a volume group, an array, a running VM or another restore: release it first",
    errno.ENOENT: "create the directory first",
}


def written_meanwhile(path: Path) -> TargetFailed:
    return TargetFailed(f"{path} was written to by another program meanwhile", hint="see what uses it, and repeat the command")


def target_failed(path: Path, doing: str, error: OSError) -> TargetFailed:
    """`doing` completes "<path>: ... failed"."""
    words = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0, "nothing was lost in the vault; repeat the command when the cause is gone")
    return TargetFailed(f"{path}: {doing} failed: {words}", hint=hint)
