"""Which blocks differ."""

import numpy as np
from numpy.typing import NDArray

def differs(blocks: NDArray[np.uint8], old: NDArray[np.uint8], secret: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """out[i] = 1 where block i's signature is not old[i] (N, 16), else 0. Returns how many differ. No GIL."""

def differs_from(blocks: NDArray[np.uint8], other: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """out[i] = 1 where block i's bytes differ from the other buffer's. Returns how many differ. No GIL."""
