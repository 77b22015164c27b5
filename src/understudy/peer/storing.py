"""What a peer asks of the served store, held to its limits as they are at this moment."""

import asyncio
import time

from understudy.engine import Peer
from understudy.errors import AccessDenied, StoreUnavailable, UnderstudyError
from understudy.model import BytesLike
from understudy.peer.books import Books
from understudy.peer.chroot import Chroot
from understudy.peer.ledger import OverQuota
from understudy.peer.recount import recount
from understudy.store.protocol import Creation, ObjectStore

_RECOUNT_AGAIN = 300.0
"""Seconds between two looks at what a peer whose quota is used up has in the store."""


class Storing:
    def __init__(self, store: ObjectStore, books: Books) -> None:
        self.store = store
        self._books = books
        self._recounts: dict[str, tuple[float, asyncio.Task[None]]] = {}

    def seen_by(self, peer: Peer) -> Chroot:
        return Chroot(self.store, peer.limits.prefix)

    async def must_have_room(self, peer: Peer, name: str, size: int) -> None:
        """`InvalidRequest` for a name, `OverQuota` for a size, that would be refused in the end."""
        self.seen_by(peer).whole(name)
        try:
            await self._books.must_have_room(peer.id, size)
        except OverQuota:
            self._look_again(peer)
            raise

    async def create(self, peer: Peer, name: str, data: BytesLike) -> Creation:
        """Who was revoked while it sent the object has not stored it."""
        try:
            charged = await self._books.charge(peer.id, name, len(data))
        except OverQuota:
            self._look_again(peer)
            raise
        try:
            creation = await self.store.create(charged.name, [data])
        except StoreUnavailable:
            # It may be there, now or later: until it is seen not to be it counts.
            raise
        except UnderstudyError:
            self._books.not_stored(charged)
            raise
        if creation is Creation.CREATED:
            self._books.stored(charged)
        else:
            self._books.not_stored(charged)
        return creation

    async def delete(self, peer: Peer, name: str) -> bool:
        if not self.may_delete(peer):
            raise AccessDenied(
                f"the peer {peer.name!r} may not delete", hint="it is not meant to; else, there: `understudy peer limit NAME --maintenance`"
            )
        view = self.seen_by(peer)
        deleted = await view.delete(name)
        if deleted:
            self._books.deleted(view.whole(name))
        return deleted

    def may_delete(self, peer: Peer) -> bool:
        return peer.limits.maintenance and self.store.capabilities.deletes

    async def close(self) -> None:
        for _, task in self._recounts.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in self._recounts.values()), return_exceptions=True)

    def _look_again(self, peer: Peer) -> None:
        """What others removed, such as the served vault's own collection, counts no more."""
        now = time.monotonic()
        last, _ = self._recounts.get(peer.id, (None, None))
        if last is None or now - last > _RECOUNT_AGAIN:
            task = asyncio.create_task(recount(self.store, self._books, peer))
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._recounts[peer.id] = (now, task)
