"""Which bytes of an object are there. Pure."""

from bisect import bisect_left


class Spans:
    """Disjoint, sorted (begin, end) below `size`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._spans: list[tuple[int, int]] = []

    def add(self, begin: int, end: int) -> None:
        if begin >= end:
            return
        first = bisect_left(self._spans, begin, key=lambda span: span[1])
        last = first
        while last < len(self._spans) and self._spans[last][0] <= end:
            begin, end = min(begin, self._spans[last][0]), max(end, self._spans[last][1])
            last += 1
        self._spans[first:last] = [(begin, end)]

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        ends = [0, *(end for _, end in self._spans)]
        begins = [*(begin for begin, _ in self._spans), self.size]
        return tuple((end, begin) for end, begin in zip(ends, begins, strict=True) if end < begin)

    @property
    def whole(self) -> bool:
        return not self.size or self._spans == [(0, self.size)]
