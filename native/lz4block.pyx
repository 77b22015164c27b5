"""LZ4 block format, N buffers a call, no frame header."""

from libc.stdint cimport int64_t, uint8_t, uintptr_t

from understudy.native.capi cimport LZ4_INPUT_MAX, LZ4_SIZE_MAX, LZ4_STATE_ALIGNMENT, LZ4_STATE_SIZE, api
from understudy.native.pieces cimport check_count, check_pieces, start, sum_of


class CompressionError(ValueError):
    """`index` is the item that does not decompress to exactly its stated length; `reason` says why."""

    def __init__(self, index, reason):
        super().__init__(index, reason)
        self.index = index
        self.reason = reason

    def __str__(self):
        return f"piece {self.index} {self.reason}"


cdef inline int64_t _bound(int64_t length) noexcept nogil:
    return length + length // 255 + 16


def bound(object length):
    if not 0 <= length <= LZ4_INPUT_MAX:
        raise ValueError(f"LZ4 takes 0 to {LZ4_INPUT_MAX} bytes, not {length}")
    return _bound(length)


def compress(
    const uint8_t[::1] data not None, const int64_t[::1] lengths not None, uint8_t[::1] out not None, int64_t[::1] sizes not None
):
    cdef Py_ssize_t index, pieces = lengths.shape[0]
    cdef uint8_t space[LZ4_STATE_SIZE + LZ4_STATE_ALIGNMENT]
    cdef uint8_t *state = space + (-<uintptr_t>space) % LZ4_STATE_ALIGNMENT
    cdef const uint8_t *source = start(data, space)
    cdef int64_t need = 0, written = 0
    cdef int size = 1
    check_pieces(lengths, LZ4_INPUT_MAX, data.shape[0])
    check_count("sizes", sizes.shape[0], pieces)
    for index in range(pieces):
        need += _bound(lengths[index])
    if out.shape[0] < need:
        raise ValueError(f"out needs {need} bytes, the sum of the pieces' bounds, not {out.shape[0]}")
    with nogil:
        for index in range(pieces):
            size = api.compress(state, <const char *>source, <char *>&out[written], <int>lengths[index], <int>_bound(lengths[index]), 1)
            if size <= 0:
                break
            source += lengths[index]
            written += size
            sizes[index] = size
    if size <= 0:
        raise RuntimeError(f"LZ4 does not compress piece {index} of {lengths[index]} bytes")
    return written


def decompress(
    const uint8_t[::1] data not None, const int64_t[::1] sizes not None, uint8_t[::1] out not None, const int64_t[::1] lengths not None
):
    cdef Py_ssize_t index, pieces = sizes.shape[0]
    cdef uint8_t nothing = 0
    cdef const uint8_t *source = start(data, &nothing)
    cdef uint8_t *place = <uint8_t *>start(out, &nothing)
    cdef int64_t total, length = 0
    cdef int got = 0
    check_pieces(sizes, LZ4_SIZE_MAX, data.shape[0])
    check_count("lengths", lengths.shape[0], pieces)
    total = sum_of(lengths, LZ4_INPUT_MAX, out.shape[0])
    with nogil:
        for index in range(pieces):
            length = lengths[index]
            got = api.decompress(<const char *>source, <char *>place, <int>sizes[index], <int>length)
            if got != length:
                break
            source += sizes[index]
            place += length
    if got < 0:
        raise CompressionError(index, f"is not an LZ4 block of at most {length} bytes")
    if got != length:
        raise CompressionError(index, f"gives {got} bytes, not {length}")
    return total
