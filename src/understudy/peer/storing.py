"""What a peer asks of the served store, held to its limits as they are at this moment."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

from understudy.engine import Peer
from understudy.errors import AccessDenied, OverQuota, StoreUnavailable, UnderstudyError
from understudy.model import BytesLike
from understudy.peer.adopting import Adopting
from understudy.peer.books import Books
from understudy.peer.chroot import Chroot
from understudy.peer.hiding import hiding
from understudy.peer.ledger import Charged, Doubt, QuotaHeld
from understudy.peer.recount import recount
from understudy.peer.settling import Settling
from understudy.store.protocol import Creation, ObjectStore

T = TypeVar("T")
_RECOUNT_AGAIN = 300.0
"""Seconds between two looks at what a peer whose quota is used up has in the store."""


class Storing:
    def __init__(self, store: ObjectStore, books: Books) -> None:
        self.store = store
        self._books = books
        self._settling = Settling(store, books)
        self._adopting = Adopting(store, books)
        self._tasks: set[asyncio.Task[None]] = set()
        self._recounted: dict[str, float] = {}

    def begin(self) -> None:
        self._spawn(self._settling.run())
        self._spawn(self._adopting.run())

    def seen_by(self, peer: Peer) -> Chroot:
        return Chroot(self.store, peer.limits.prefix)

    async def must_have_room(self, peer: Peer, name: str, size: int) -> None:
        """`InvalidRequest` for a name, `OverQuota` for a size, that would be refused in the end."""
        whole = self.seen_by(peer).whole(name)
        await self._within_quota(peer, lambda: self._books.must_have_room(peer.id, whole, size))

    async def create(self, peer: Peer, name: str, data: BytesLike) -> Creation:
        """Who was revoked while it sent the object has not stored it."""
        whole = self.seen_by(peer).whole(name)
        with self._settling.under_way(peer.id, whole):
            charged = await self._within_quota(peer, lambda: self._books.charge(peer.id, name, len(data)))
            try:
                with hiding("takes nothing"):
                    creation = await self.store.create(charged.name, [data])
            except BaseException as error:
                if not isinstance(error, UnderstudyError) or isinstance(error, StoreUnavailable):
                    # It may be there, now or later: until it is seen not to be it counts.
                    self._settling.failed(charged)
                elif charged.before or self._settling.has_another(peer.id, whole):
                    self._settling.doubted(charged)
                else:
                    self._books.not_stored(charged)
                raise
            if creation is Creation.CREATED:
                self._books.stored(charged)
            elif charged.before or self._settling.has_another(peer.id, whole):
                await self._is_there(charged)
            else:
                self._books.not_stored(charged)
            return creation

    def joined(self) -> None:
        """What somebody's prefix held before is counted."""
        self._adopting.wake()

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
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._settling.close()

    async def _within_quota(self, peer: Peer, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            try:
                return await ask()
            except QuotaHeld:
                # If the store does not say what became of it, that is what is wrong, and what the peer hears.
                with hiding():
                    await self._settling.settled(peer.id)
                return await ask()
        except OverQuota:
            self._look_again(peer)
            raise

    async def _is_there(self, charged: Charged) -> None:
        """One that this peer tried to store before, or meanwhile: what it has is counted, not what it would have stored now."""
        try:
            info = await self.store.head(charged.name)
        except UnderstudyError:
            info = None
        if info is None:
            self._settling.doubted(charged)
        else:
            await self._books.found(Doubt(charged.peer, charged.name, 0), info.size)

    def _look_again(self, peer: Peer) -> None:
        """What others removed, such as the served vault's own collection, counts no more."""
        now = time.monotonic()
        last = self._recounted.get(peer.id)
        if last is None or now - last > _RECOUNT_AGAIN:
            self._recounted[peer.id] = now
            self._spawn(recount(self.store, self._books, peer))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
