"""qcow2 images, reached through a qemu-nbd of our own."""

import asyncio
import os
from pathlib import Path
from typing import Any

from understudy.errors import TargetFailed
from understudy.model import BLOCK_SIZE, Bytes, Extents
from understudy.nbd.blocks import blocks_where
from understudy.nbd.failure import NbdFailed
from understudy.nbd.wire import BASE_ALLOCATION, ZERO_BIT
from understudy.recovery.failure import target_failed
from understudy.recovery.protocol import Resizing, unminded
from understudy.recovery.qemu_tools import QemuNbd, image_info, qemu_img

_SECTOR = 512
"""A qcow2 image is a whole number of these; a disk of another size gets up to 511 zero bytes more."""


class Qcow2Target:
    """An open qcow2 image; see the Protocol `Target`."""

    def __init__(self, path: Path, size: int, server: QemuNbd) -> None:
        self.size = size
        self.path = path
        self._server: QemuNbd | None = server

    @classmethod
    async def create(cls, path: Path, size: int) -> "Qcow2Target":
        """A new image without data. The caller sees to it that nothing of worth has this name."""
        await qemu_img("create", "-q", "-f", "qcow2", os.fspath(path), str(_virtual(size)))
        return cls(path, size, await QemuNbd.start(path, read_only=False))

    @classmethod
    async def open(cls, path: Path, size: int, *, resize: bool, resizing: Resizing = unminded, read_only: bool = False) -> "Qcow2Target":
        """An existing image. `resize`: an image of another size is ours to cut or extend. Opened for writing, one with bitmaps of QEMU's
        own is touched, though nothing be written to it.
        """
        if _must_be_resized(path, await image_info(path), size, resize):
            resizing()
            await qemu_img("resize", "-q", "-f", "qcow2", "--shrink", os.fspath(path), str(_virtual(size)))
        return cls(path, size, await QemuNbd.start(path, read_only=read_only))

    @property
    def _open(self) -> QemuNbd:
        if self._server is None:
            raise TargetFailed(f"{self.path} has been closed")
        return self._server

    async def allocated(self) -> Extents:
        client = self._open.client
        try:
            return await blocks_where(client, BASE_ALLOCATION, self.size, lambda flags: (flags & ZERO_BIT) == 0)
        except NbdFailed as error:
            raise self._failed("finding its holes", error) from error

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        client = self._open.client
        view = buffer.data
        pieces: list[tuple[int, memoryview]] = []
        for first, count in extents.tolist():
            offset, length = first * BLOCK_SIZE, count * BLOCK_SIZE
            inside = max(0, min(length, client.size - offset))
            pieces.append((offset, view[:inside]))
            view[inside:length] = bytes(length - inside)
            view = view[length:]
        try:
            await client.read_pieces(pieces)
        except NbdFailed as error:
            raise self._failed("reading", error) from error

    async def write(self, extents: Extents, data: Bytes) -> None:
        client = self._open.client
        view = data.data
        try:
            async with asyncio.TaskGroup() as group:
                for first, count in extents.tolist():
                    offset, length = first * BLOCK_SIZE, count * BLOCK_SIZE
                    group.create_task(client.write(offset, view[: min(length, client.size - offset)]))
                    view = view[length:]
        except* NbdFailed as errors:
            raise self._failed("writing", errors.exceptions[0]) from errors

    async def write_zeroes(self, extents: Extents) -> None:
        client = self._open.client
        try:
            for first, count in extents.tolist():
                offset = first * BLOCK_SIZE
                await client.write_zeroes(offset, min(count * BLOCK_SIZE, client.size - offset))
        except NbdFailed as error:
            raise self._failed("zeroing", error) from error

    async def seal(self) -> None:
        """Close the image and open it read-only, so that what is proven is the file and not a cache of qemu-nbd's."""
        try:
            await self._open.client.flush()
        except NbdFailed as error:
            raise self._failed("flushing", error) from error
        await self._restart(read_only=True)

    async def reopen(self) -> None:
        await self._restart(read_only=False)

    async def _restart(self, *, read_only: bool) -> None:
        server, self._server = self._open, None
        await server.stop()
        await asyncio.to_thread(_sync, self.path)
        self._server = await QemuNbd.start(self.path, read_only=read_only)

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.abandon()

    def _failed(self, doing: str, error: BaseException) -> TargetFailed:
        number = error.errno if isinstance(error, NbdFailed) else 0
        if number:
            return target_failed(self.path, doing, OSError(number, os.strerror(number)))
        return TargetFailed(
            f"{self.path}: {doing} failed: {error}", hint="qemu-nbd ended: see whether the disk is sound and has space left"
        )


def _virtual(size: int) -> int:
    return -(-size // _SECTOR) * _SECTOR


def _sync(path: Path) -> None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise target_failed(path, "flushing", error) from error


def _must_be_resized(path: Path, info: dict[str, Any], size: int, resize: bool) -> bool:
    data: dict[str, Any] = info.get("format-specific", {}).get("data", {})
    # Writing would change what others read through it, or would depend on what others change.
    foreign = {
        "a backing file": info.get("backing-filename"),
        "an external data file": data.get("data-file"),
        "encryption": info.get("encrypted"),
        "internal snapshots": info.get("snapshots"),
    }
    for what, there in foreign.items():
        if there:
            raise TargetFailed(f"{path} is a qcow2 image with {what}; it is not written to", hint="name another target")
    if data.get("corrupt"):
        raise TargetFailed(f"{path} is marked as corrupt", hint="remove it, or repair it with qemu-img check -r all")
    capacity = int(info["virtual-size"])
    if capacity == _virtual(size):
        return False
    if not resize:
        raise TargetFailed(
            f"{path} is an image of {capacity} bytes, the disk has {size}: it is not an image of this disk",
            hint="name another target",
        )
    return True
