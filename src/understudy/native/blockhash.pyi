"""Keyed signatures of 4 KiB blocks, and the order-independent digest of a disk.

`secret` is at least 136 bytes (XXH3's minimum), normally 192. A signature is XXH3_128bits_withSecret in canonical (big-endian)
order, 16 bytes; all zero for a zero block (a block whose hash is all zero by chance cannot be told apart: 2^-128).
"""

import numpy as np
from numpy.typing import NDArray

def sign(blocks: NDArray[np.uint8], secret: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """Sign N blocks (flat, a multiple of 4096 bytes, else ValueError) to `out` (N, 16). Returns the number of zero blocks. No GIL."""

def sign_tail(data: NDArray[np.uint8], secret: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """The same for any length of `data`: a short last block is signed as if padded with zeros. out is (ceil(len/4096), 16)."""

def digest(extents: NDArray[np.int64], signatures: NDArray[np.uint8], secret: NDArray[np.uint8]) -> int:
    """Sum modulo 2^128, over the blocks with a non-zero signature, of XXH3_128(secret; le64(block) || signature), each as an integer
    (high64 << 64 | low64). extents: (R, 2), ascending and disjoint, else ValueError; signatures: (N, 16) of their blocks, in order. No
    GIL."""
