"""What was read of objects that never change, kept for who reads it again."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from understudy.model import Data
from understudy.store.protocol import Capabilities, Reader

LIMIT = 32 << 20
LARGEST = 256 << 10
_OVERHEAD = 256  # bytes that a piece takes beside its data


@dataclass(frozen=True, slots=True)
class _Piece:
    data: bytes
    ends: bool
    """Whether its object ends where it ends."""

    def part(self, offset: int, length: int | None) -> bytes | None:
        """None if that may reach beyond what is here."""
        if self.ends or (length is not None and offset + length <= len(self.data)):
            return self.data[offset : None if length is None else offset + length]
        return None


class CachedReader:
    """Reads of `store`, of which at most `limit` bytes are kept: the least recently used goes first, what is larger than `largest` is not
    kept at all.

    `lasts` says by its name whether an object is never another one: because its name is random, or made of what is in it. Of all others,
    and of what is not there, nothing is kept. What was kept is given also where the store has lost or damaged it since. That is why this is
    no `ObjectStore`: whoever has to see the store itself cannot be handed it by mistake.
    """

    def __init__(self, store: Reader, lasts: Callable[[str], bool], limit: int = LIMIT, largest: int = LARGEST) -> None:
        self._store = store
        self._lasts = lasts
        self._limit = limit
        self._largest = largest
        self._pieces: OrderedDict[tuple[str, int], _Piece] = OrderedDict()
        self._starts: defaultdict[str, set[int]] = defaultdict(set)
        self._held = 0

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    @property
    def held(self) -> int:
        """Bytes."""
        return self._held

    async def get(self, name: str, start: int = 0, length: int | None = None) -> Data:
        if not self._lasts(name):
            return await self._store.get(name, start, length)
        known = self._known(name, start, length)
        if known is not None:
            return known
        data = await self._store.get(name, start, length)
        if len(data) <= self._largest:
            self._keep(name, start, _Piece(bytes(data), length is None or len(data) < length))
        return data

    def forget(self) -> None:
        self._pieces.clear()
        self._starts.clear()
        self._held = 0

    def _known(self, name: str, start: int, length: int | None) -> bytes | None:
        for begin in self._starts.get(name, ()):
            found = self._pieces[name, begin].part(start - begin, length) if begin <= start else None
            if found is not None:
                self._pieces.move_to_end((name, begin))
                return found
        return None

    def _keep(self, name: str, start: int, piece: _Piece) -> None:
        if not piece.data:
            return  # where nothing is, an object may end long before
        self._drop(name, start)
        self._pieces[name, start] = piece
        self._starts[name].add(start)
        self._held += len(piece.data) + _OVERHEAD
        while self._held > self._limit:
            self._drop(*next(iter(self._pieces)))

    def _drop(self, name: str, start: int) -> None:
        piece = self._pieces.pop((name, start), None)
        if piece is None:
            return
        self._held -= len(piece.data) + _OVERHEAD
        self._starts[name].discard(start)
        if not self._starts[name]:
            del self._starts[name]
