"""A file that appears under its name whole and durable, or not at all, and never replaces another."""

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Sequence
from secrets import token_hex
from stat import S_ISDIR

from understudy.errors import StoreRefused
from understudy.model import BytesLike
from understudy.store.file_fill import fill
from understudy.store.protocol import Creation

STAGING = ".Staging"
"""Hidden, and outside the alphabet of object names, so that it can never be one."""

_MODE = 0o644
_NO_TMPFILE = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}
_NO_LINK = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Publisher:
    """Creates files below a directory, always the same one. Safe to use from several threads.

    A nameless file (O_TMPFILE) leaves nothing behind whenever its maker dies. Where the file system has none (NFS), a file in
    the staging directory takes its place; it is locked while its maker lives, so that only what is provably left over is removed.
    """

    def __init__(self, *, nameless: bool) -> None:
        self._nameless = nameless
        self._swept = False
        self._durable: set[str] = set()
        self._lock = threading.Lock()

    def publish(self, root: int, name: str, buffers: Sequence[BytesLike]) -> Creation:
        """Create the file `name` below the directory whose descriptor is `root`.

        Also when the name exists the directories are synced: whoever made it may have died just before that.
        """
        directory, _, base = name.rpartition("/")
        self._make_directory(root, directory)
        parent = os.open(directory or ".", _DIRECTORY, dir_fd=root)
        try:
            creation = Creation.EXISTS if _exists(parent, base) else self._write_and_link(root, parent, base, buffers)
            os.fsync(parent)
            return creation
        finally:
            os.close(parent)

    def _make_directory(self, root: int, directory: str) -> None:
        """Make it and its parents, each durable in its own parent, once in this process."""
        if not directory or directory in self._durable:
            return
        above, _, base = directory.rpartition("/")
        self._make_directory(root, above)
        parent = os.open(above or ".", _DIRECTORY, dir_fd=root)
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(base, dir_fd=parent)
            os.fsync(parent)
        finally:
            os.close(parent)
        self._durable.add(directory)

    def _write_and_link(self, root: int, parent: int, base: str, buffers: Sequence[BytesLike]) -> Creation:
        if self._nameless and (fd := _open_nameless(parent)) is not None:
            try:
                fill(fd, buffers)
                return _link(f"/proc/self/fd/{fd}", parent, parent, base)
            except FileNotFoundError:  # no /proc here
                pass
            finally:
                os.close(fd)
        self._nameless = False
        return self._stage_and_link(root, parent, base, buffers)

    def _stage_and_link(self, root: int, parent: int, base: str, buffers: Sequence[BytesLike]) -> Creation:
        with contextlib.suppress(FileExistsError):
            os.mkdir(STAGING, dir_fd=root)
        staging = os.open(STAGING, _DIRECTORY, dir_fd=root)
        try:
            with self._lock:
                if not self._swept:
                    _sweep(staging)
                    self._swept = True
            staged, fd = _open_staged(staging)
            try:
                fill(fd, buffers)
                return _link(staged, staging, parent, base)
            finally:
                os.unlink(staged, dir_fd=staging)
                os.close(fd)
        finally:
            os.close(staging)


def _exists(parent: int, base: str) -> bool:
    try:
        status = os.stat(base, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), base)
    return True


def _open_nameless(directory: int) -> int | None:
    try:
        return os.open(".", os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, _MODE, dir_fd=directory)
    except OSError as error:
        if error.errno in _NO_TMPFILE:
            return None
        raise


def _link(source: str, source_directory: int, parent: int, base: str) -> Creation:
    try:
        os.link(source, base, src_dir_fd=source_directory, dst_dir_fd=parent, follow_symlinks=True)
    except FileExistsError:
        return Creation.EXISTS
    except OSError as error:
        if error.errno in _NO_LINK:
            raise StoreRefused(
                f"this file system cannot create a file without risk of replacing another ({error.strerror})",
                hint="keep the vault on a file system with hard links: ext4, XFS, Btrfs, ZFS, NFS; not FAT or exFAT",
            ) from error
        raise
    return Creation.CREATED


def _open_staged(staging: int) -> tuple[str, int]:
    while True:
        name = token_hex(16)
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, _MODE, dir_fd=staging)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if os.fstat(fd).st_nlink:
            return name, fd
        os.close(fd)  # swept between its creation and its lock


def _sweep(staging: int) -> None:
    """Remove staged files that no living process holds: their lock is free."""
    for name in os.listdir(staging):
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=staging)
        except (FileNotFoundError, PermissionError):  # gone meanwhile, or another user's to remove
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=staging)
        except (BlockingIOError, FileNotFoundError):
            continue
        finally:
            os.close(fd)
