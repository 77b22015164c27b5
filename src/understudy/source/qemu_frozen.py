"""Reading one disk of the frozen view over NBD."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator

from understudy import extents as ext
from understudy.errors import SourceRefused, SourceUnavailable
from understudy.model import BLOCK_SIZE, NO_EXTENTS, Bytes, Changes, DiskInfo, Extents, Lost, Tracked
from understudy.nbd.blocks import blocks_where
from understudy.nbd.client import NbdClient
from understudy.nbd.wire import BASE_ALLOCATION, DIRTY_BIT, ZERO_BIT
from understudy.source.qemu_bitmaps import Bitmap
from understudy.source.qemu_names import Names


class Guard:
    """Proves, after something was read, that it was frozen until then: without what keeps it the view would show the disk's present.

    `standing`: whether it has been kept up to now.
    """

    def __init__(self, standing: Callable[[], Awaitable[bool]]) -> None:
        self._standing = standing
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        self.ended: str | None = None
        """Why the view is over; None while it stands."""

    def end(self, why: str) -> None:
        """It is over. The first reason counts."""
        if self.ended is None:
            self.ended = why

    def check(self) -> None:
        """Raise if the view is known to be over."""
        if self.ended is not None:
            raise SourceUnavailable(f"the frozen view of this VM is over: {self.ended}")

    async def confirm(self) -> None:
        """Ask QEMU; those who ask before the question is sent share the answer."""
        if self._next is None:
            self._next = asyncio.ensure_future(self._confirm())
            self._next.add_done_callback(_retrieve)
        await asyncio.shield(self._next)

    async def _confirm(self) -> None:
        async with self._lock:
            self._next = None
            self.check()
            if not await self._standing():
                self.check()
                self.ended = "QEMU ended the job that kept it, by an error of the scratch file or by somebody's command"
                self.check()


class FrozenDisk:
    """One disk at the instant of the freeze. `since` gives what the guest wrote after it, for `allocated`."""

    def __init__(
        self, info: DiskInfo, guard: Guard, names: Names, export: str, base: Bitmap | str, since: Callable[[], Awaitable[Extents]]
    ) -> None:
        self._info = info
        self._guard = guard
        self._socket = os.fspath(names.socket)
        self._export = export
        self._base = base
        self._since = since
        self._client: NbdClient | None = None
        self._connecting = asyncio.Lock()

    @property
    def info(self) -> DiskInfo:
        return self._info

    async def changed(self) -> Changes:
        """From the base's record, which ended at the freeze. A count of zero needs no connection."""
        self._guard.check()
        if isinstance(self._base, str):
            return Lost(self._base)
        if not self._base.dirty:
            return Tracked(NO_EXTENTS)
        return Tracked(await dirty(self._socket, self._export, self._base.name, self._info.size))

    async def allocated(self) -> Extents:
        """What is not known to be zero. QEMU looks at the overlay and the disk one after the other: what the guest discarded in between
        would be missing, so all that it touched since the freeze is added."""
        self._guard.check()
        async with await NbdClient.connect_unix(self._socket, self._export, [BASE_ALLOCATION]) as client:
            found = await blocks_where(client, BASE_ALLOCATION, self._info.size, lambda flags: (flags & ZERO_BIT) == 0)
        found = ext.union(found, await self._since())
        await self._guard.confirm()
        return found

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        client = await self._connected()
        try:
            await client.read_pieces(_pieces(extents, buffer, self._info.size))
        except SourceUnavailable:
            # Why the view ended tells more than that its connection did.
            self._guard.check()
            raise
        await self._guard.confirm()

    async def end(self) -> None:
        """Disconnect. The guard has been told why."""
        async with self._connecting:
            if self._client is not None:
                await self._client.close()

    async def _connected(self) -> NbdClient:
        async with self._connecting:
            self._guard.check()
            if self._client is None:
                self._client = await NbdClient.connect_unix(self._socket, self._export)
                if self._client.size != self._info.size:
                    raise SourceRefused(
                        f"QEMU exports disk '{self._info.name}' with {self._client.size} bytes instead of {self._info.size}"
                    )
            return self._client


class IdleDisk:
    """One disk to which nothing had been written since the base point: nothing was set up to read it from."""

    def __init__(self, info: DiskInfo, wanted: Callable[[], None]) -> None:
        self._info = info
        self._wanted = wanted

    @property
    def info(self) -> DiskInfo:
        return self._info

    async def changed(self) -> Changes:
        return Tracked(NO_EXTENTS)

    async def allocated(self) -> Extents:
        raise self._unreadable()

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        if len(extents):
            raise self._unreadable()

    def _unreadable(self) -> SourceUnavailable:
        self._wanted()
        return SourceUnavailable(
            f"disk '{self._info.name}' had not changed, so no view of it was frozen", hint="try again: the next freeze has one"
        )


async def dirty(socket: str, export: str, bitmap: str, size: int) -> Extents:
    """Blocks of a frozen record of changes that an export offers."""
    context = f"qemu:dirty-bitmap:{bitmap}"
    async with await NbdClient.connect_unix(socket, export, [context]) as client:
        return await blocks_where(client, context, size, lambda flags: (flags & DIRTY_BIT) != 0)


def _pieces(extents: Extents, buffer: Bytes, size: int) -> Iterator[tuple[int, Bytes]]:
    """Each extent's part of the buffer; what lies beyond the disk's end is zeroed."""
    position = 0
    for first, count in extents.tolist():
        offset, length = first * BLOCK_SIZE, count * BLOCK_SIZE
        inside = max(min(length, size - offset), 0)
        buffer[position + inside : position + length] = 0
        yield offset, buffer[position : position + inside]
        position += length


def _retrieve(task: asyncio.Task[None]) -> None:
    """Those who asked may all have been cancelled."""
    if not task.cancelled():
        task.exception()
