"""The newest inline packs at hand: readers want them again and again."""

from collections import OrderedDict

LIMIT = 8 << 20  # bytes


class Recent:
    """By record number; the oldest go first when it gets too much. The newest always stays."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._total = 0
        self._packs: OrderedDict[int, bytes] = OrderedDict()

    def get(self, seq: int) -> bytes | None:
        return self._packs.get(seq)

    def put(self, seq: int, pack: bytes) -> None:
        self._total += len(pack) - len(self._packs.pop(seq, b""))
        self._packs[seq] = pack
        while self._total > self._limit and len(self._packs) > 1:
            _, oldest = self._packs.popitem(last=False)
            self._total -= len(oldest)
