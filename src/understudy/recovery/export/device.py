"""A point's disk as a server serves it: read-only, or with an overlay."""

import errno

import numpy as np
from numpy.typing import NDArray

from understudy.model import BLOCK_SIZE, Bytes, BytesLike, Extents, blocks_of
from understudy.nbd.wire import HOLE_BIT, ZERO_BIT
from understudy.recovery.export.base import PointDisk
from understudy.recovery.export.overlay import Overlay


class PointDevice:
    """An `nbd.device.Device`."""

    def __init__(self, base: PointDisk, overlay: Overlay | None = None) -> None:
        self._from = overlay or base
        self._overlay = overlay
        self.size = base.size
        self.writable = overlay is not None

    async def read(self, offset: int, length: int) -> Bytes | None:
        return await self._from.read(offset, length)

    async def status(self, offset: int, length: int, most: int) -> NDArray[np.int64]:
        first = offset // BLOCK_SIZE
        data = await self._from.data(first, blocks_of(offset + length) - first)
        return statuses(data, offset, length)[:most]

    async def write(self, offset: int, data: BytesLike) -> None:
        await self._written().write(offset, data)

    async def write_zeroes(self, offset: int, length: int, *, punch: bool) -> None:
        await self._written().write_zeroes(offset, length, punch=punch)

    async def trim(self, offset: int, length: int) -> None:
        await self._written().trim(offset, length)

    async def flush(self) -> None:
        if self._overlay is not None:
            await self._overlay.flush()

    def _written(self) -> Overlay:
        if self._overlay is None:
            raise OSError(errno.EPERM, "the export is read-only")
        return self._overlay


def statuses(data: Extents, offset: int, length: int) -> NDArray[np.int64]:
    """Lengths and flags over a range of bytes, of which all but the blocks of `data` is zero."""
    edges = np.clip(np.concatenate([[offset], _edges(data), [offset + length]]), offset, offset + length)
    lengths = np.diff(edges)
    rows = np.stack([lengths, np.where(np.arange(len(lengths)) % 2, 0, HOLE_BIT | ZERO_BIT)], axis=1)
    return rows[rows[:, 0] > 0]


def _edges(data: Extents) -> NDArray[np.int64]:
    """Where each begins and ends, in bytes."""
    return np.stack([data[:, 0], data[:, 0] + data[:, 1]], axis=1).ravel() * BLOCK_SIZE
