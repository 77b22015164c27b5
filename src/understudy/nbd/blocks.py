"""What an export says of its blocks."""

from collections.abc import Callable
from contextlib import aclosing

import numpy as np
from numpy.typing import NDArray

from understudy import extents as ext
from understudy.model import BLOCK_SIZE, NO_EXTENTS, Extents, blocks_of
from understudy.nbd.client import NbdClient

MOST = 1 << 22
"""Extents of one disk, 64 MiB of them. Every second block of 1 TiB would be 2 GiB."""


async def blocks_where(client: NbdClient, context: str, size: int, wanted: Callable[[NDArray[np.int64]], NDArray[np.bool_]]) -> Extents:
    """Blocks of a disk of `size` bytes whose flags are `wanted`, and where they are more than MOST extents some between them."""
    found = NO_EXTENTS
    async with aclosing(client.block_status(context, 0, client.size)) as pieces:
        async for rows in pieces:
            rows = rows[wanted(rows[:, 2])]
            first = rows[:, 0] // BLOCK_SIZE
            blocks = np.stack([first, -(-(rows[:, 0] + rows[:, 1]) // BLOCK_SIZE) - first], axis=1)
            found = ext.coarser(ext.union(found, blocks), MOST)
    return ext.clip(found, blocks_of(size))
