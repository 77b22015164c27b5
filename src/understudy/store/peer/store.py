"""The vault that another site serves, over TLS."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from understudy.errors import StoreUnavailable
from understudy.finish import finish_in_thread
from understudy.model import BytesLike, Data
from understudy.pairing import wire
from understudy.pairing.address import Address
from understudy.pairing.credential import context_of
from understudy.store.names import check_name
from understudy.store.peer.channel import Channel, Patience
from understudy.store.peer.fetching import fetched
from understudy.store.peer.payload import views_of
from understudy.store.peer.sending import Sending
from understudy.store.protocol import Capabilities, Creation, ObjectInfo

LANES = 16
"""Connections for large objects. One alone is as fast as its round trips and losses allow: 0.4 MiB/s over 40 ms and 1 % of loss."""
_ALONE = 2 << 20
"""Bytes up to which an object goes in one request."""
_SMALL = 256 << 10
_SMALL_LANES = 6
_FIRST_PAGE = 64


class PeerStore:
    """An `ObjectStore`. Small objects have connections of their own: a log's record does not wait behind packs."""

    def __init__(self, address: Address, credential: Path, patience: Patience = Patience()) -> None:  # noqa: B008
        """`credential`: the file that joining made, or its directory. It is read at the first request."""
        self._address = address
        self._credential = credential
        self._patience = patience
        self._channels: tuple[Channel, Channel] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """Whether it deletes, and pays for requests, is as the site said last; at first, that it does not."""
        channels = self._channels or ()
        return Capabilities(
            kind="understudy", deletes=any(channel.maintains for channel in channels), billed=any(channel.billed for channel in channels)
        )

    async def create(self, name: str, buffers: Sequence[BytesLike]) -> Creation:
        check_name(name)
        small, large = await self._open()
        views = views_of(buffers)
        size = sum(map(len, views))
        if size > _ALONE:
            return await Sending(large, name, views, LANES).done()
        created = await (small if size <= _SMALL else large).put(f"{wire.OBJECTS}{name}", None, views)
        if created is None:
            raise StoreUnavailable(f"the site at {self._address} does not say what became of {name}")
        return Creation(created)

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        check_name(name)
        small, large = await self._open()
        channel = small if length is not None and length <= _SMALL else large
        return await fetched(channel, name, start, length, LANES)

    async def head(self, name: str) -> ObjectInfo | None:
        check_name(name)
        small, _ = await self._open()
        size = (await small.ask(wire.Size, "GET", f"{wire.SIZES}{name}")).size
        return ObjectInfo(name, size) if size is not None else None

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        small, _ = await self._open()
        more, most = True, _FIRST_PAGE
        while more:
            query = {"prefix": prefix, "after": start_after, "most": str(most)}
            page = await small.ask(wire.Page, "GET", wire.LIST, query)
            for name, size in page.items:
                if name <= start_after or not name.startswith(prefix):
                    raise StoreUnavailable(f"the site at {self._address} lists what was not asked for: {name[:80]!r}")
                start_after = name
                yield ObjectInfo(name, size)
            more, most = page.more, wire.PAGE

    async def delete(self, name: str) -> bool:
        check_name(name)
        small, _ = await self._open()
        return (await small.ask(wire.Deleted, "DELETE", f"{wire.OBJECTS}{name}")).deleted

    async def close(self) -> None:
        self._closed = True
        channels, self._channels = self._channels or (), None
        for channel in channels:
            await channel.close()

    async def _open(self) -> tuple[Channel, Channel]:
        async with self._opening:
            if self._closed:
                raise StoreUnavailable(f"the store at {self._address} is closed")
            if self._channels is None:
                context = await finish_in_thread(lambda: context_of(self._credential, self._address))
                small, large = (Channel(self._address, context, lanes, self._patience, self._credential) for lanes in (_SMALL_LANES, LANES))
                self._channels = (small, large)
            return self._channels
