"""layout.py for the kernels: the same constants and rows as C."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from *:
    """
    #if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "rows, nonces and digests are little-endian, and the kernels take them as they lie in memory"
    #endif
    """

cdef enum:
    BLOCK_SIZE = 4096
    FRAME_BLOCKS = 64
    FRAME_SIZE = 262144

    SIGNATURE_SIZE = 16
    SECRET_SIZE_MIN = 136  # of XXH3
    CONTEXT_SIZE = 32
    KEY_SIZE = 32  # of both suites

    SUITE_XCHACHA20POLY1305 = 1
    SUITE_AEGIS256 = 2

    KIND_ZERO = 0
    KIND_LZ4 = 1
    KIND_RAW = 2

cdef enum:
    # Block numbers end here: the last byte of the last block is at 2^63 - 1, so positions fit off_t and int64.
    BLOCKS_MAX = 2251799813685248

cdef packed struct FrameRow:
    uint64_t first
    uint64_t offset
    uint32_t blocks
    uint32_t length
    uint32_t number
    uint16_t disk
    uint8_t kind
    uint8_t reserved
