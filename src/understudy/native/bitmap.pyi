"""Bitmaps in QEMU's little-endian bit order (bit n is byte n//8, mask 1 << n%8) and their extents. 64-bit arithmetic throughout.

`bits` is the bitmap's length in bits; a buffer shorter than ceil(bits/8) is a ValueError; stray bits past the end are ignored
on reading and left alone on writing. Extents are int64 (N, 2): first bit, count.
"""

import numpy as np
from numpy.typing import NDArray

def count_runs(bitmap: NDArray[np.uint8], bits: int, gap: int = 0) -> int:
    """Runs of set bits, runs at most `gap` clear bits apart counted as one."""

def to_extents(bitmap: NDArray[np.uint8], bits: int, out: NDArray[np.int64], gap: int = 0) -> int:
    """Write the runs to `out`, return their number. `out` too small: ValueError naming the need (see count_runs)."""

def from_extents(extents: NDArray[np.int64], bitmap: NDArray[np.uint8], bits: int) -> None:
    """Set the extents' bits. An extent outside 0..bits: ValueError, nothing written."""

def set_range(bitmap: NDArray[np.uint8], bits: int, first: int, count: int) -> None: ...
def population(bitmap: NDArray[np.uint8], bits: int) -> int: ...
def union(into: NDArray[np.uint8], other: NDArray[np.uint8], bits: int) -> None: ...
def intersect(into: NDArray[np.uint8], other: NDArray[np.uint8], bits: int) -> None: ...
def subtract(into: NDArray[np.uint8], other: NDArray[np.uint8], bits: int) -> None: ...
def coarsen(fine: NDArray[np.uint8], bits: int, factor: int, coarse: NDArray[np.uint8]) -> int:
    """One coarse bit for `factor` fine ones, set if any is. Returns the coarse length in bits."""

def refine(coarse: NDArray[np.uint8], factor: int, fine: NDArray[np.uint8], bits: int) -> None:
    """`factor` fine bits for each coarse one, `bits` fine bits in all."""
