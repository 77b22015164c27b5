"""Fixed layouts that kernels and callers share. Little-endian; frozen by the vault's format."""

import numpy as np

BLOCK_SIZE = 4096
FRAME_BLOCKS = 64
"""The most blocks that one frame may carry: 256 KiB of plaintext."""

SUITE_XCHACHA20POLY1305 = 1
SUITE_AEGIS256 = 2

KIND_ZERO = 0
"""A run of zero blocks: no payload, no limit on its length."""
KIND_LZ4 = 1
"""A run of at most FRAME_BLOCKS blocks, one LZ4 block, sealed."""
KIND_RAW = 2
"""The same, stored as it is (incompressible), sealed."""

FRAME = np.dtype(
    [
        ("first", "<u8"),  # first block on its disk
        ("offset", "<u8"),  # of the sealed bytes in the pack; 0 for KIND_ZERO
        ("blocks", "<u4"),
        ("length", "<u4"),  # of the sealed bytes, tag included; 0 for KIND_ZERO
        ("number", "<u4"),  # the nonce, unique under the pack's key; 0 for KIND_ZERO
        ("disk", "<u2"),  # index into the pack's table of disks
        ("kind", "u1"),
        ("reserved", "u1"),
    ]
)
"""One frame's index row, 32 bytes."""

PIECE = np.dtype(
    [
        ("first", "<u8"),  # first block on the disk
        ("blocks", "<u8"),
        ("offset", "<u8"),  # the frame's sealed bytes in its pack
        ("length", "<u4"),
        ("number", "<u4"),  # the frame's nonce
        ("pack", "<u4"),  # index into the map's table of packs
        ("frame_blocks", "u1"),  # blocks in the whole frame
        ("skip", "u1"),  # blocks of the frame before `first`
        ("kind", "u1"),
        ("reserved", "u1"),
    ]
)
"""One row of an extent map, 40 bytes: these blocks are found in that frame. Rows are sorted by `first` and disjoint."""
