"""Sealed frames back to blocks. Every field of every row is checked before it is used, each row where its turn comes."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from understudy.native.capi cimport NONCE_SIZE_MAX, Suite, api, suite_of
from understudy.native.frame cimport ASSOCIATED_SIZE, check_scratch, payload_in, set_nonce, set_position
from understudy.native.layout cimport (
    BLOCK_SIZE, BLOCKS_MAX, CONTEXT_SIZE, FRAME_BLOCKS, KEY_SIZE, KIND_LZ4, KIND_RAW, KIND_ZERO, FrameRow,
)


class FrameError(ValueError):
    """`row` is the frame's row in the call's index, `number` its frame number, `reason` what is wrong with it."""

    def __init__(self, row, number, reason):
        super().__init__(row, number, reason)
        self.row = row
        self.number = number
        self.reason = reason

    def __str__(self):
        return f"frame {self.number} (row {self.row}): {self.reason}"


cdef enum Fault:
    SOUND
    BAD_KIND
    BAD_RESERVED
    BAD_DISK
    NO_BLOCKS
    TOO_MANY_BLOCKS
    BEYOND_DISK
    BEYOND_OUTPUT
    NOT_EMPTY
    BAD_LENGTH
    BEYOND_INPUT
    NOT_AUTHENTIC
    NOT_LZ4

_REASONS = {
    BAD_KIND: "its kind is unknown",
    BAD_RESERVED: "its reserved byte is not zero",
    BAD_DISK: "its disk is not in the table of disks",
    NO_BLOCKS: "it has no blocks",
    TOO_MANY_BLOCKS: "it has more blocks than a frame can hold",
    BEYOND_DISK: "its blocks lie beyond the end of any disk",
    BEYOND_OUTPUT: "its blocks do not fit the output",
    NOT_EMPTY: "it is a run of zeros, yet has an offset, a length or a number",
    BAD_LENGTH: "its length is impossible for its kind and blocks",
    BEYOND_INPUT: "its bytes lie outside of what was read",
    NOT_AUTHENTIC: "it is not authentic: altered, misplaced, or sealed under another key",
    NOT_LZ4: "it is authentic, yet does not decompress to its blocks",
}

cdef struct Source:
    const uint8_t *sealed
    uint64_t size
    uint64_t base
    uint64_t disks
    const uint8_t *contexts
    const Suite *suite
    const uint8_t *key
    uint8_t *payload
    uint8_t nonce[NONCE_SIZE_MAX]
    uint8_t associated[ASSOCIATED_SIZE]


cdef Fault inspect(const Source *s, const FrameRow *row, uint64_t room) noexcept nogil:
    """Every test holds without overflow for any value of any field."""
    cdef uint64_t plain = <uint64_t>row.blocks * BLOCK_SIZE
    cdef uint64_t tag = s.suite.tag
    if row.kind not in (KIND_ZERO, KIND_LZ4, KIND_RAW):
        return BAD_KIND
    if row.reserved != 0:
        return BAD_RESERVED
    if row.disk >= s.disks:
        return BAD_DISK
    if row.blocks == 0:
        return NO_BLOCKS
    if row.kind != KIND_ZERO and row.blocks > FRAME_BLOCKS:
        return TOO_MANY_BLOCKS
    if row.first > BLOCKS_MAX - <uint64_t>row.blocks:
        return BEYOND_DISK
    if row.blocks > room:
        return BEYOND_OUTPUT
    if row.kind == KIND_ZERO:
        return NOT_EMPTY if row.offset != 0 or row.length != 0 or row.number != 0 else SOUND
    if row.length <= tag or (row.length - tag >= plain if row.kind == KIND_LZ4 else row.length - tag != plain):
        return BAD_LENGTH
    if row.offset < s.base or row.length > s.size or row.offset - s.base > s.size - row.length:
        return BEYOND_INPUT
    return SOUND


cdef Fault decode_frame(Source *s, const FrameRow *row, uint8_t *out) noexcept nogil:
    """Of an inspected row. On a fault `out` may hold anything."""
    cdef uint8_t *opened = s.payload if row.kind == KIND_LZ4 else out
    cdef unsigned long long size = 0
    cdef int plain = <int>row.blocks * BLOCK_SIZE
    if row.kind == KIND_ZERO:
        memset(out, 0, <size_t>row.blocks * BLOCK_SIZE)
        return SOUND
    memcpy(s.associated, s.contexts + <size_t>row.disk * CONTEXT_SIZE, CONTEXT_SIZE)
    set_position(s.associated, row.first, row.blocks, row.kind)
    set_nonce(s.nonce, row.number)
    if s.suite.open(
        opened, &size, NULL, s.sealed + (row.offset - s.base), row.length, s.associated, ASSOCIATED_SIZE, s.nonce, s.key
    ) != 0:
        return NOT_AUTHENTIC
    if row.kind == KIND_LZ4 and api.decompress(<const char *>opened, <char *>out, <int>size, plain) != plain:
        return NOT_LZ4
    return SOUND


def decode(
    const uint8_t[::1] sealed not None,
    object base,
    const FrameRow[::1] frames not None,
    *,
    int suite,
    const uint8_t[::1] key not None,
    const uint8_t[:, ::1] context not None,
    uint8_t[::1] out not None,
    uint8_t[::1] scratch not None,
):
    cdef Py_ssize_t index
    cdef uint64_t room = out.shape[0] // BLOCK_SIZE
    cdef uint8_t *position
    cdef FrameRow row
    cdef Fault fault = SOUND
    cdef Source s

    check_scratch(scratch)
    if key.shape[0] != KEY_SIZE or context.shape[1] != CONTEXT_SIZE:
        raise ValueError(f"key and contexts are {KEY_SIZE} and {CONTEXT_SIZE} bytes, not {key.shape[0]} and {context.shape[1]}")
    if not 0 <= base < 1 << 63:
        raise ValueError(f"base {base} is negative or beyond 2^63")
    memset(&s, 0, sizeof(s))
    s.suite = suite_of(suite)
    s.size = sealed.shape[0]
    s.base = base
    s.disks = context.shape[0]
    s.key = &key[0]
    s.payload = payload_in(&scratch[0])
    # An empty array has no first element to point at; inspect lets no row reach it then.
    s.sealed = &sealed[0] if sealed.shape[0] else NULL
    s.contexts = &context[0, 0] if context.shape[0] else NULL
    position = &out[0] if out.shape[0] else NULL

    with nogil:
        for index in range(frames.shape[0]):
            row = frames[index]  # a copy: what was checked is what is used
            fault = inspect(&s, &row, room)
            if fault != SOUND:
                break
            fault = decode_frame(&s, &row, position)
            if fault != SOUND:
                memset(position, 0, <size_t>row.blocks * BLOCK_SIZE)
                break
            position += <size_t>row.blocks * BLOCK_SIZE
            room -= row.blocks
    if fault != SOUND:
        raise FrameError(index, row.number, _REASONS[fault])
    return out.shape[0] // BLOCK_SIZE - room
