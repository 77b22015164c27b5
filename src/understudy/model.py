"""Plain frozen values that every layer shares. No I/O, no behaviour beyond arithmetic."""

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK_SIZE = 4096
"""Bytes in a block, the unit of change."""

SIGNATURE_SIZE = 16
"""Bytes of one block's keyed XXH3-128."""

Bytes: TypeAlias = NDArray[np.uint8]
"""A contiguous buffer of bytes."""

BytesLike: TypeAlias = bytes | bytearray | memoryview | Bytes
"""Anything contiguous that can be written out as bytes."""

Data: TypeAlias = bytes | memoryview
"""Bytes that were read and do not change, where they came to lie: a view is not copied, and holds all that it is a part of."""

Extents: TypeAlias = NDArray[np.int64]
"""Shape (N, 2), C-contiguous: first block, number of blocks. Sorted, disjoint, every count >= 1."""

Signatures: TypeAlias = NDArray[np.uint8]
"""Shape (N, 16), C-contiguous: one signature a block, all zero for a zero block."""

Rows: TypeAlias = NDArray[Any]
"""A structured array; its dtype is named where it is used."""

Definition: TypeAlias = dict[str, Any]
"""A machine's shape (CPU, memory, firmware, NICs) as JSON values; kept with each point so that it starts as it was then."""

NO_EXTENTS: Extents = np.empty((0, 2), dtype=np.int64)
NO_EXTENTS.flags.writeable = False


def blocks_of(size: int) -> int:
    """Number of blocks of a disk of `size` bytes; a short last block counts as one."""
    return -(-size // BLOCK_SIZE)


@dataclass(frozen=True, slots=True)
class DiskInfo:
    """A disk as its source shows it now."""

    name: str
    size: int
    sector: int = 512


class Tracked(NamedTuple):
    """What changed since the base point, as the hypervisor's dirty bitmap tells."""

    extents: Extents


class Untracked(NamedTuple):
    """This kind of source keeps no record of changes: every cycle compares signatures."""


class Lost(NamedTuple):
    """There should be a record of changes since the base point, and it cannot be trusted."""

    reason: str


Changes: TypeAlias = Tracked | Untracked | Lost
