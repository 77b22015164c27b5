"""Objects as files below one directory, durable when `create` returns. Works on local file systems and NFS."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

from understudy.durable import sync_directory
from understudy.errors import NotFound, StoreUnavailable
from understudy.finish import finish_in_thread
from understudy.model import BytesLike, Data
from understudy.store.file_errors import translate
from understudy.store.file_publish import Publisher
from understudy.store.names import check_name, is_segment
from understudy.store.protocol import Capabilities, Creation, ObjectInfo

T = TypeVar("T")

THREADS = 8
FIRST_PAGE = 16
PAGE = 1024

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FileStore:
    """An `ObjectStore` in the directory `root`.

    The directory stays open while the store is in use, so that a file system unmounted behind our back shows up as an error and
    never as an empty vault in the directory below.
    """

    def __init__(self, root: Path, *, make: bool = False, nameless: bool = True) -> None:
        """`make`: a missing root (but not its parents) is made. `nameless`: use nameless files where the file system has them."""
        self._root = root
        self._make = make
        self._fd: int | None = None
        self._publisher = Publisher(nameless=nameless)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="file-store")
        self._opening = asyncio.Lock()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(kind="file", late=False, near=True)

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        check_name(name)
        fd = await self._open()
        return await self._run(lambda: self._publisher.publish(fd, name, buffers), name)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        check_name(name)
        fd = await self._open()
        try:
            return await self._run(lambda: _read(fd, name, start, length), name)
        except NotFound:
            raise NotFound(f"there is no object {name} in {self._root}") from None

    async def head(self, name: str) -> ObjectInfo | None:
        check_name(name)
        fd = await self._open()
        return await self._run(lambda: _head(fd, name), name)

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        fd = await self._open()
        walk = _walk(fd, "", prefix, start_after)
        infos = await self._run(lambda: list(islice(walk, FIRST_PAGE)), prefix)
        while infos:
            for info in infos:
                yield info
            infos = await self._run(lambda: list(islice(walk, PAGE)), prefix)

    async def delete(self, name: str) -> bool:
        check_name(name)
        fd = await self._open()
        return await self._run(lambda: _delete(fd, name), name)

    async def close(self) -> None:
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    async def _open(self) -> int:
        async with self._opening:
            if self._fd is None:
                self._fd = await self._run(self._open_root, "")
            return self._fd

    def _open_root(self) -> int:
        if self._make:
            with contextlib.suppress(FileExistsError):
                self._root.mkdir()
                sync_directory(self._root.parent)
        return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    async def _run(self, work: Callable[[], T], name: str) -> T:
        """Do blocking work in a thread, to its end even if the caller is cancelled: its buffers are being read."""

        def guarded() -> T:
            try:
                return work()
            except OSError as error:
                raise translate(error, self._root, name) from error

        if self._closed:
            raise StoreUnavailable(f"the store at {self._root} is closed")
        return await finish_in_thread(guarded, self._threads)


def _read(root: int, name: str, start: int, length: int | None) -> bytes:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=root)
    except _ABSENT as error:
        raise NotFound(name) from error
    try:
        wanted = max(0, os.fstat(fd).st_size - start)
        if length is not None:
            wanted = min(wanted, length)
        parts = []
        while wanted > 0 and (part := os.pread(fd, wanted, start)):
            parts.append(part)
            start += len(part)
            wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    except IsADirectoryError as error:
        raise NotFound(name) from error
    finally:
        os.close(fd)


def _head(root: int, name: str) -> ObjectInfo | None:
    try:
        status = os.stat(name, dir_fd=root, follow_symlinks=False)
    except _ABSENT:
        return None
    return ObjectInfo(name, status.st_size) if S_ISREG(status.st_mode) else None


def _delete(root: int, name: str) -> bool:
    directory, _, base = name.rpartition("/")
    try:
        fd = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    except _ABSENT:
        return False
    try:
        os.unlink(base, dir_fd=fd)
        os.fsync(fd)
    except _ABSENT:
        return False
    finally:
        os.close(fd)
    return True


def _walk(root: int, directory: str, prefix: str, start_after: str) -> Iterator[ObjectInfo]:
    """All objects below `directory` ("" or ending in a slash) in order of their full names.

    A subdirectory sorts with its slash: `a-b` < `a/c` < `a0`. So every name below it comes before the next entry's.
    """
    for name in entries(root, directory, prefix, start_after):
        if name.endswith("/"):
            yield from _walk(root, name, prefix, start_after)
        else:
            info = _head(root, name)
            if info is not None:
                yield info


def entries(root: int, directory: str, prefix: str, start_after: str) -> list[str]:
    """Sorted full names in one directory, subdirectories with a slash at their end. Left out before anything is sorted: what is not asked
    for, or could not be an object's name."""
    try:
        fd = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    except _ABSENT:
        return []
    try:
        with os.scandir(fd) as scan:
            found = (f"{directory}{entry.name}{'/' * entry.is_dir(follow_symlinks=False)}" for entry in scan if is_segment(entry.name))
            return sorted(name for name in found if _is_asked_for(name, prefix, start_after))
    finally:
        os.close(fd)


def _is_asked_for(name: str, prefix: str, start_after: str) -> bool:
    """Itself, or something in the directory that it is."""
    if name.endswith("/"):
        return (name.startswith(prefix) or prefix.startswith(name)) and (name > start_after or start_after.startswith(name))
    return name.startswith(prefix) and name > start_after
