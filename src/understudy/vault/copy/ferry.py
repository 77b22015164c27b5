"""One object after the other from store to store, several at once, each proven on the way; what is there already must be the same."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from hashlib import blake2b

from understudy.errors import Diverged, IntegrityError, NotFound
from understudy.model import Data
from understudy.store.protocol import Creation, ObjectStore
from understudy.vault.concurrent import each
from understudy.vault.copy.wanted import Wanted
from understudy.vault.log.patience import Patience, create_patiently
from understudy.vault.packs import pack_layout

MOST_AT_ONCE = 16
IN_MEMORY = 64 << 20
"""Bytes of objects under way, or one that is larger."""
MOST = 64 << 20
_PATIENCE = Patience()


class Gone(NotFound):
    """The vault does not hold an object that its log names. Never shown: who asked looks whether it was condemned meanwhile."""


class Ferry:
    """`copied` counts what was sent: objects and bytes."""

    def __init__(self, source: ObjectStore, target: ObjectStore) -> None:
        self.source = source
        self.target = target
        self.copied = (0, 0)
        self._room = _Room(IN_MEMORY)

    async def bring(self, wanted: Iterable[Wanted], *, look: bool) -> None:
        """All of them are in the copy, durably, when this returns. `look`: many may be there already.

        `Gone`, `IntegrityError` for an object that is not what was written, here or there, or what the stores say.
        """
        unique = {one.name: one for one in wanted}
        at_once = max(1, min(self.target.capabilities.parallel, MOST_AT_ONCE))
        await each(at_once, lambda one: self._bring(one, look=look), list(unique.values()))

    async def put(self, name: str, data: bytes) -> None:
        """A record, a slot or the like, which the caller has read. `Diverged` if something else is there."""
        if not await self._put(name, data):
            raise diverged(name)

    async def _bring(self, wanted: Wanted, *, look: bool) -> None:
        if look and await self._is_there(wanted):
            return
        size = await self._size(wanted)
        async with self._room.of(size):
            try:
                data = await self.source.get(wanted.name, 0, size + 1)
            except NotFound as error:
                raise _gone(wanted) from error
            await asyncio.to_thread(proven, wanted, data)
            if not await self._put(wanted.name, data):
                raise damaged(wanted.name)

    async def _put(self, name: str, data: Data) -> bool:
        if await create_patiently(self.target, name, data, _PATIENCE) is Creation.EXISTS:
            return False
        self._count(len(data))
        return True

    async def _size(self, wanted: Wanted) -> int:
        if wanted.size is not None:
            return min(wanted.size, MOST) if wanted.hash else wanted.size
        info = await self.source.head(wanted.name)
        if info is None:
            raise _gone(wanted)
        return info.size

    async def _is_there(self, wanted: Wanted) -> bool:
        """A pack is known by the hash that it ends with, a side object by its own. A checkpoint is compared by who puts it again."""
        info = await self.target.head(wanted.name)
        if info is None:
            return False
        if wanted.size is not None and info.size != wanted.size:
            raise damaged(wanted.name)
        if not wanted.hash:
            return "/objects/" in wanted.name and await self._proves_itself(wanted, info.size)
        tail = bytes(await self.target.get(wanted.name, info.size - pack_layout.TRAILER_SIZE, pack_layout.TRAILER_SIZE))
        try:
            pack_layout.parse_trailer(_id_of(wanted), info.size, tail, wanted.hash)
        except IntegrityError as error:
            raise damaged(wanted.name) from error
        return True

    async def _proves_itself(self, wanted: Wanted, size: int) -> bool:
        async with self._room.of(size):
            data = await self.target.get(wanted.name, 0, size + 1)
            try:
                await asyncio.to_thread(proven, wanted, data)
            except IntegrityError as error:
                raise damaged(wanted.name) from error
        return True

    def _count(self, size: int) -> None:
        self.copied = (self.copied[0] + 1, self.copied[1] + size)


def _gone(wanted: Wanted) -> Gone:
    return Gone(f"{wanted.name} is missing in the vault", hint="`understudy verify` tells what else is")


def damaged(name: str) -> IntegrityError:
    """An object of the copy that nobody else can have written: its name is random, or its hash, or it opens for nobody."""
    hint = "a machine's log, and what it names there, is copied again with the next verification (`verify-every`); else delete it there"
    return IntegrityError(f"{name} in the copy is damaged", hint=hint)


def diverged(name: str) -> Diverged:
    return Diverged(
        f"the copy holds something else as {name}: somebody has written to it, or it is damaged",
        hint="`understudy vault copy verify URL` tells what is damaged; if the copy was promoted or used as a vault, make a new one in "
        "an empty place",
    )


def proven(wanted: Wanted, data: Data) -> None:
    """What is sent is what was written, as far as that can be told without a key. Checkpoints are proven by who reads them."""
    what = IntegrityError(
        f"{wanted.name} in the vault is not what its log says: it is damaged",
        hint="`understudy verify` tells what else is; restore the object from a copy",
    )
    if wanted.size is not None and len(data) != wanted.size:
        raise what
    if wanted.hash and pack_layout.scrub(_id_of(wanted), data) != wanted.hash:
        raise what
    if "/objects/" in wanted.name and blake2b(data, digest_size=32).hexdigest() != wanted.name.rpartition("/")[2]:
        raise what


def _id_of(wanted: Wanted) -> bytes:
    return bytes.fromhex(wanted.name.rpartition("/")[2])


class _Room:
    """Bytes that may be in memory at once."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        size = min(size, self._size)
        while self._free < size:
            self._changed.clear()
            await self._changed.wait()
        self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._changed.set()
