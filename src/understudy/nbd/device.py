"""What a server serves: bytes that can be read at any place, and perhaps written."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from understudy.model import Bytes, BytesLike


class Device(Protocol):
    """Ranges are in bytes and lie inside `size`. Calls may run side by side; those that touch the same bytes in any order.

    Whatever fails raises `OSError` with the number that the client shall see, or another error, which a client sees as EIO.
    """

    @property
    def size(self) -> int: ...

    @property
    def writable(self) -> bool: ...

    async def read(self, offset: int, length: int) -> Bytes | None:
        """The bytes, which the caller must not change; None where all of them are zero."""
        ...

    async def status(self, offset: int, length: int, most: int) -> NDArray[np.int64]:
        """(N, 2), 1 <= N <= most: length and flags (HOLE_BIT, ZERO_BIT) from `offset` on; may end before `length`, not after it."""
        ...

    async def write(self, offset: int, data: BytesLike) -> None:
        """Durable only after `flush`."""
        ...

    async def write_zeroes(self, offset: int, length: int, *, punch: bool) -> None:
        """The range reads as zero; with `punch` it need not take space."""
        ...

    async def trim(self, offset: int, length: int) -> None:
        """Nobody needs the range any more."""
        ...

    async def flush(self) -> None:
        """Everything that was acknowledged before is durable."""
        ...
