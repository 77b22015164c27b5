"""One disk of a point, read at random: every byte proven by its frame, decoded pieces kept for the next who asks."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from understudy import extents as ext
from understudy.errors import IntegrityError, StoreUnavailable, UnderstudyError
from understudy.model import BLOCK_SIZE, Bytes, Extents, blocks_of
from understudy.recovery.export.stock import Stock
from understudy.vault.maps.reader import DiskReader, LargeDisk

log = logging.getLogger(__name__)

PIECE = 64
"""Blocks that are fetched and kept together: as many as the largest frame has, which is decoded as a whole or not at all."""
PARTS = 3
"""Parts of a disk's map that are kept: 30 MiB each where extents are scattered as widely as can be."""
AT_ONCE = 16
"""Pieces that one read fetches together."""
PATIENCE = 20.0
"""Seconds for which a store that fails in a passing way is asked again. A guest's own patience is 30."""

Renew: TypeAlias = Callable[[LargeDisk], Awaitable[LargeDisk | None]]
"""The same disk as the vault has it now, if anything was moved to other packs since this one was opened; else None."""

T = TypeVar("T")


class _Part(NamedTuple):
    reader: DiskReader
    data: Extents


class _View:
    """A disk and the parts of its map that were needed last. What is asked of one view is answered from it, whatever comes after it."""

    def __init__(self, content: LargeDisk) -> None:
        self.content = content
        self._ranges = content.ranges()
        self._parts: OrderedDict[int, asyncio.Task[_Part]] = OrderedDict()

    async def data(self, first: int, blocks: int) -> Extents:
        return ext.union(*[ext.within(part.data, low, count) for low, count, part in await self._over(first, blocks)])

    async def read(self, first: int, blocks: int) -> Bytes:
        whole = np.zeros(blocks * BLOCK_SIZE, dtype=np.uint8)
        for low, count, part in await self._over(first, blocks):
            if len(ext.within(part.data, low, count)):
                begin = (low - first) * BLOCK_SIZE
                await part.reader.read_into(np.array([[low, count]], dtype=np.int64), whole[begin : begin + count * BLOCK_SIZE])
        return whole

    async def _over(self, first: int, blocks: int) -> list[tuple[int, int, _Part]]:
        """The map's parts under a range, each with what of the range lies in it."""
        number = int(np.searchsorted(self._ranges[:, 0], first, side="right")) - 1
        found = []
        while number < len(self._ranges) and int(self._ranges[number, 0]) < first + blocks:
            start, count = self._ranges[number].tolist()
            begin, end = max(start, first), min(start + count, first + blocks)
            found.append((begin, end - begin, await self._part(number)))
            number += 1
        return found

    async def _part(self, number: int) -> _Part:
        task = self._parts.get(number)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = self._parts[number] = asyncio.create_task(self._load(*self._ranges[number].tolist()))
        self._parts.move_to_end(number)
        while len(self._parts) > PARTS:
            self._parts.popitem(last=False)
        return await asyncio.shield(task)

    async def _load(self, first: int, blocks: int) -> _Part:
        reader = await self.content.part(first, blocks)
        return _Part(reader, await asyncio.to_thread(reader.data))


class PointDisk:
    """Ranges lie inside the disk. `IntegrityError` rather than a wrong byte."""

    def __init__(self, content: LargeDisk, renew: Renew, stock: Stock) -> None:
        self._view = _View(content)
        self._renew = renew
        self._stock = stock
        self._fetching: dict[int, asyncio.Future[Bytes]] = {}
        self._renewing = asyncio.Lock()

    @property
    def size(self) -> int:
        return self._view.content.disk.size

    async def data(self, first: int, blocks: int) -> Extents:
        """Blocks of a range that are not known to be zero."""
        return await self._lasting(lambda view: view.data(first, blocks))

    async def read(self, offset: int, length: int) -> Bytes | None:
        """The bytes, which must not be changed; None where all are zero."""
        first = offset // BLOCK_SIZE
        data = await self.data(first, blocks_of(offset + length) - first)
        if not len(data):
            return None
        pieces = await self._pieces(ext.block_numbers(_in_pieces(data)).tolist())
        size = PIECE * BLOCK_SIZE
        number, start = divmod(offset, size)
        if start + length <= size:
            return pieces[number][start : start + length]
        out = np.zeros(length, dtype=np.uint8)
        for number, piece in pieces.items():
            at = number * size - offset
            begin, end = max(at, 0), min(at + len(piece), length)
            out[begin:end] = piece[begin - at : end - at]
        return out

    async def _pieces(self, numbers: list[int]) -> dict[int, Bytes]:
        """Each is fetched once for all who want it at the moment."""
        here = [(number, await self._stock.get(number)) for number in numbers]
        found = {number: piece for number, piece in here if piece is not None}
        missing: list[int] = []
        waiting: dict[int, asyncio.Future[Bytes]] = {}
        for number in numbers:
            if number not in found:
                if number not in self._fetching:
                    self._fetching[number] = asyncio.get_running_loop().create_future()
                    missing.append(number)
                waiting[number] = self._fetching[number]
        try:
            for run in _runs(missing):
                await self._fetch(run)
        finally:
            for number in missing:
                future = self._fetching.pop(number)
                if not future.done():
                    future.set_exception(StoreUnavailable("whoever was reading this has given up"))
                    future.exception()  # perhaps nobody waits for it
        for number, future in waiting.items():
            found[number] = await asyncio.shield(future)
        return found

    async def _fetch(self, run: list[int]) -> None:
        """Consecutive pieces: settle their futures."""
        futures = [self._fetching[number] for number in run]
        first = run[0] * PIECE
        blocks = min(len(run) * PIECE, blocks_of(self.size) - first)
        try:
            whole = await self._lasting(lambda view: view.read(first, blocks))
        except UnderstudyError as error:
            for future in futures:
                future.set_exception(error)
                future.exception()
            return
        size = PIECE * BLOCK_SIZE
        for at, (number, future) in enumerate(zip(run, futures, strict=True)):
            # A copy, so that a piece that is kept does not keep the others.
            piece = whole[at * size : (at + 1) * size].copy()
            future.set_result(piece)
            await self._stock.put(number, piece)

    async def _lasting(self, work: Callable[[_View], Awaitable[T]]) -> T:
        """Past what passes: a store that does not answer for a moment, packs that were rewritten since the map was read."""
        until, pause = time.monotonic() + PATIENCE, 0.2
        while True:
            view = self._view
            try:
                return await work(view)
            except IntegrityError as error:
                if not await self._renewed(view):
                    raise
                log.info("disk %s is read from where the vault has it now: %s", view.content.disk.name, error.message)
            except UnderstudyError as error:
                if not error.retryable or time.monotonic() + pause > until:
                    raise
                log.warning("disk %s: %s; trying again", view.content.disk.name, error.message)
                await asyncio.sleep(pause)
                pause *= 2

    async def _renewed(self, seen: _View) -> bool:
        """Whether there is another view than `seen` now."""
        async with self._renewing:
            if self._view is seen:
                content = await self._renew(seen.content)
                if content is None:
                    return False
                self._view = _View(content)
            return True


def _in_pieces(data: Extents) -> Extents:
    """Block extents as extents of pieces."""
    first = data[:, 0] // PIECE
    return ext.union(np.stack([first, (data[:, 0] + data[:, 1] - 1) // PIECE + 1 - first], axis=1))


def _runs(numbers: list[int]) -> list[list[int]]:
    """Consecutive numbers together, at most AT_ONCE."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1 and len(runs[-1]) < AT_ONCE:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
