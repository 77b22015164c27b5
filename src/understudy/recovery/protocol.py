"""What materialise needs of the two ends: a disk at a point, and an image or device to lay it on."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol, Self, TypeAlias

from understudy.model import Bytes, Extents, Signatures
from understudy.pages import Buffers
from understudy.vault.kinds import PointDisk

Resizing: TypeAlias = Callable[[], None]
"""Called right before an image is cut or extended: from then on it is not what its record says."""


def unminded() -> None:
    """For those who keep no record of it."""


class PartContent(Protocol):
    """A range of a disk as it was at one point; outside it all is zero. Any method raises IntegrityError rather than give wrong bytes."""

    def data(self) -> Extents:
        """Blocks outside these are zero at this point."""
        ...

    def stream(self, extents: Extents, buffers: Buffers) -> AsyncGenerator[tuple[Extents, Bytes], None]:
        """The blocks of `extents` (a part of `data()`), in any order, some MiB at a time; the last one zero-padded to 4096 bytes.

        A yielded buffer belongs to the caller, who may give it back to `buffers`.
        """
        ...

    def differing(self, other: Self) -> Extents:
        """Blocks that may differ from `other`, the same range of the disk at another point; never fewer than do."""
        ...


class DiskContent(Protocol):
    """One disk as it was at one point. Any method raises IntegrityError rather than give wrong bytes."""

    @property
    def disk(self) -> PointDisk: ...

    def ranges(self) -> Extents:
        """The disk in consecutive ranges from block 0 to its end, each small enough for a part to fit into memory."""
        ...

    async def part(self, first: int, blocks: int) -> PartContent:
        """One of these ranges, or a piece of one. What lies past the disk's end is zero."""
        ...

    def signatures(self) -> AsyncGenerator[tuple[Extents, Signatures], None]:
        """Signatures of all blocks that are not zero, in ascending order; of some that are zero, too."""
        ...


class Target(Protocol):
    """An image or device, open and locked, seen as a disk of `size` bytes. Blocks are 4096 bytes, the last cut to the size.

    Any method raises TargetFailed. Several calls may be under way at once as long as they do not touch the same blocks.
    """

    @property
    def size(self) -> int: ...

    async def allocated(self) -> Extents:
        """Blocks outside these certainly read as zero."""
        ...

    async def read_into(self, extents: Extents, buffer: Bytes) -> None:
        """Fill `buffer` with the extents' blocks, one after the other; zero-padded past the disk's end."""
        ...

    async def write(self, extents: Extents, data: Bytes) -> None:
        """Write the extents' blocks, which lie one after the other in `data`."""
        ...

    async def write_zeroes(self, extents: Extents) -> None:
        """Make the extents read as zero, without taking space where possible."""
        ...

    async def seal(self) -> None:
        """Everything written is durable when this returns; what is read from now on comes from the image as others will find it."""
        ...

    async def reopen(self) -> None:
        """Allow writing again after `seal`."""
        ...

    async def close(self) -> None:
        """Wait for what is under way, let go of the image and its lock. Idempotent."""
        ...
