"""Sealed frames back to blocks. Trusts nothing: index, lengths, offsets and payload may be hostile."""

import numpy as np
from numpy.typing import NDArray

class FrameError(ValueError):
    """`row` is the frame's row in the call's index, `number` its frame number, `reason` what is wrong with it."""

    row: int
    number: int
    reason: str

def decode(
    sealed: NDArray[np.uint8],
    base: int,
    frames: NDArray[np.void],
    *,
    suite: int,
    key: NDArray[np.uint8],
    context: NDArray[np.uint8],
    out: NDArray[np.uint8],
    scratch: NDArray[np.uint8],
) -> int:
    """Open, decompress and lay the frames' blocks one after the other into `out`; returns the blocks written. No GIL.

    sealed: the pack's bytes from offset `base` on (only what the frames need). frames: FRAME rows, any order.
    context: (D, 32), indexed by FRAME.disk. KIND_ZERO rows give zero blocks. FrameError at the first bad frame; of `out` only
    blocks of frames before it hold data, the rest of what was touched is zeroed.
    """
