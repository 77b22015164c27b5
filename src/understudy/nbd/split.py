"""Cutting ranges to what a server takes. Pure arithmetic in bytes."""

from collections.abc import Iterator
from typing import NamedTuple

from understudy.nbd.handshake import BlockSizes

CHUNK = 512 << 10
"""Bytes in one read or write: larger ones gain nothing, smaller ones cost calls."""


class Part(NamedTuple):
    """A range of bytes."""

    offset: int
    length: int


class Aligned(NamedTuple):
    """A range as the unaligned bytes before the first boundary, whole units, and the unaligned bytes after the last."""

    head: Part
    middle: Part
    tail: Part


def request_size(sizes: BlockSizes) -> int:
    """Bytes in one read or write: whole preferred blocks, near CHUNK, within the server's limits."""
    whole = max(CHUNK // sizes.preferred, 1) * sizes.preferred
    return min(whole, sizes.maximum) // sizes.minimum * sizes.minimum


def parts(offset: int, length: int, most: int) -> Iterator[Part]:
    """Consecutive parts of at most `most` bytes."""
    for start in range(offset, offset + length, most):
        yield Part(start, min(most, offset + length - start))


def widened(offset: int, length: int, unit: int, size: int) -> Part:
    """The smallest aligned range around this one; the end of an export of `size` bytes counts as aligned."""
    start = offset // unit * unit
    end = min(-(-(offset + length) // unit) * unit, size)
    return Part(start, end - start)


def aligned(offset: int, length: int, unit: int, size: int) -> Aligned:
    """Cut a range at the boundaries of `unit`; the end of an export of `size` bytes counts as one."""
    end = offset + length
    first = min(-(-offset // unit) * unit, end)
    last = end if end == size else max(end // unit * unit, first)
    return Aligned(Part(offset, first - offset), Part(first, last - first), Part(last, end - last))
