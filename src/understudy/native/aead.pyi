"""Seal and open N frames under one key; a frame's nonce is its number, little-endian, zero-padded to the suite's nonce length."""

import numpy as np
from numpy.typing import NDArray

class SealError(ValueError):
    """`index` is the frame that does not open; `reason` says why."""

    index: int
    reason: str

def overhead(suite: int) -> int:
    """Bytes of tag added to each frame. ValueError for an unknown suite, ProviderError for one that the bound library lacks."""

def seal(
    suite: int,
    key: NDArray[np.uint8],
    numbers: NDArray[np.uint64],
    data: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    associated: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> int:
    """Seal consecutive pieces; `associated` is (N, A), a row a frame. Each sealed piece is lengths[i] + overhead.
    Returns bytes written. No GIL."""

def open(
    suite: int,
    key: NDArray[np.uint8],
    numbers: NDArray[np.uint64],
    data: NDArray[np.uint8],
    lengths: NDArray[np.int64],
    associated: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> int:
    """The inverse; `lengths` are the sealed ones. SealError at the first frame that is not authentic;
    `out` is then zeroed up to what was written."""
