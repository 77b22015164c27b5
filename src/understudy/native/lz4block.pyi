"""LZ4 block format, N buffers a call, no frame header."""

import numpy as np
from numpy.typing import NDArray

class CompressionError(ValueError):
    """`index` is the item that does not decompress to exactly its stated length; `reason` says why."""

    index: int
    reason: str

def bound(length: int) -> int:
    """The most bytes that compressing `length` bytes can give. ValueError beyond LZ4's limit."""

def compress(data: NDArray[np.uint8], lengths: NDArray[np.int64], out: NDArray[np.uint8], sizes: NDArray[np.int64]) -> int:
    """Compress consecutive pieces of `data` (sum(lengths) == len(data)) one after the other
    into `out`; their sizes to `sizes`. Returns bytes written."""

def decompress(data: NDArray[np.uint8], sizes: NDArray[np.int64], out: NDArray[np.uint8], lengths: NDArray[np.int64]) -> int:
    """The inverse: piece i must give exactly lengths[i] bytes, else CompressionError. Never reads or writes out of bounds."""
