"""Blocks and old signatures in; sealed frames, their index, new signatures and statistics out: one pass, one call, no GIL."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

class Encoded(NamedTuple):
    sealed: int
    """Bytes written to `out`."""
    frames: int
    """Rows written to `frames`."""
    number: int
    """The next free frame number."""
    futile: int
    """Frames since LZ4 gained something, which the next call may be told."""
    changed: int
    """Blocks whose signature differs from the old one, zero ones included."""
    zero: int
    """Of these, blocks that are zero now."""
    raw: int
    """Frames stored uncompressed because LZ4 did not make them smaller, or would not, as it seemed."""
    digest: int
    """What to add, modulo 2^128, to the disk's digest: new contributions minus old ones (blockhash.digest defines a contribution)."""

def bounds(suite: int, blocks: int) -> tuple[int, int]:
    """The most bytes of `out` and rows of `frames` that `blocks` blocks can need (the worst case: each is an extent of its own)."""

def scratch_size() -> int:
    """Bytes of `scratch` that encode and decode need."""

def encode(
    blocks: NDArray[np.uint8],
    extents: NDArray[np.int64],
    old: NDArray[np.uint8],
    *,
    secret: NDArray[np.uint8],
    digest_secret: NDArray[np.uint8],
    suite: int,
    key: NDArray[np.uint8],
    number: int,
    futile: int,
    context: NDArray[np.uint8],
    disk: int,
    offset: int,
    out: NDArray[np.uint8],
    frames: NDArray[np.void],
    new: NDArray[np.uint8],
    scratch: NDArray[np.uint8],
) -> Encoded:
    """Encode what changed.

    blocks: N*4096 bytes, the concatenation of `extents` (R, 2: first block, count; ascending and disjoint), sum of counts == N.
    old, new: (N, 16). `new` receives every block's signature, changed or not; it may be the same array as `old`.
    A run of changed non-zero blocks becomes frames of at most 64 blocks (never across an extent's end or an unchanged block); a run of
    changed zero blocks one KIND_ZERO row of any length. A frame is LZ4-compressed into `scratch`, or taken raw where that gains nothing;
    after raw ones (`futile` of them before this call) one of 16 blocks or more also where it gains nothing of three blocks of it; after
    more than three where it gains nothing of one of these, in turn, and of those of fewer blocks only each third is tried. It is sealed
    under (suite, key, number++) with associated data context (32 bytes) || le64(first) || le32(blocks) || kind (45 bytes).
    offset: what to add to a frame's position in `out` to get FRAME.offset. disk: FRAME.disk. Rows come in ascending `first`.
    ValueError (nothing written) for any size that does not fit, `out` or `frames` below `bounds`, or numbers that could pass 2^32.
    """
