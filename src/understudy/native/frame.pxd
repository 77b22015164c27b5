"""What encode and decode share: a frame's nonce and associated data, and how their scratch is laid out."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy

from understudy.native.capi cimport LZ4_STATE_ALIGNMENT, LZ4_STATE_SIZE

cdef enum:
    ASSOCIATED_SIZE = 45  # context (32), first block (8), blocks (4), kind (1)

    # scratch: LZ4's state at the first aligned address, then a frame's compressed bytes (LZ4_compressBound of 64 blocks)
    PAYLOAD_SIZE = 263188
    SCRATCH_SIZE = 283732


cdef inline uint8_t *state_in(uint8_t *scratch) noexcept nogil:
    return scratch + (-<uintptr_t>scratch) % LZ4_STATE_ALIGNMENT


cdef inline uint8_t *payload_in(uint8_t *scratch) noexcept nogil:
    return state_in(scratch) + LZ4_STATE_SIZE


cdef inline int check_scratch(const uint8_t[::1] scratch) except -1:
    if scratch.shape[0] < SCRATCH_SIZE:
        raise ValueError(f"scratch needs {SCRATCH_SIZE} bytes, not {scratch.shape[0]}")
    return 0


cdef inline void set_nonce(uint8_t *nonce, uint64_t number) noexcept nogil:
    """`nonce` is zero beyond its first 8 bytes."""
    memcpy(nonce, &number, sizeof(number))


cdef inline void set_position(uint8_t *associated, uint64_t first, uint32_t blocks, uint8_t kind) noexcept nogil:
    """What follows the context."""
    memcpy(associated + 32, &first, sizeof(first))
    memcpy(associated + 40, &blocks, sizeof(blocks))
    associated[44] = kind
