"""N consecutive pieces of one buffer, given by their lengths."""

from libc.stdint cimport int64_t, uint8_t


cdef inline int64_t sum_of(const int64_t[::1] lengths, int64_t longest, int64_t room) except -1:
    """Each piece is 0 to `longest` bytes, and together they are at most `room`. Nothing overflows, whatever the lengths are."""
    cdef Py_ssize_t index, bad = -1
    cdef int64_t left = room
    with nogil:
        for index in range(lengths.shape[0]):
            if lengths[index] < 0 or lengths[index] > longest or lengths[index] > left:
                bad = index
                break
            left -= lengths[index]
    if bad >= 0:
        raise ValueError(f"piece {bad} of {lengths[bad]} bytes is negative, longer than {longest}, or beyond the buffer's {room} bytes")
    return room - left


cdef inline int check_pieces(const int64_t[::1] lengths, int64_t longest, int64_t total) except -1:
    cdef int64_t given = sum_of(lengths, longest, total)
    if given != total:
        raise ValueError(f"the pieces are {given} bytes, {total} are given")
    return 0


cdef inline int check_count(str what, Py_ssize_t given, Py_ssize_t pieces) except -1:
    if given != pieces:
        raise ValueError(f"{pieces} pieces have {pieces} {what}, not {given}")
    return 0


cdef inline const uint8_t *start(const uint8_t[::1] data, const uint8_t *empty) noexcept nogil:
    """`empty` stands for a buffer of no bytes: such a view may point nowhere, and C functions may not be given NULL."""
    return &data[0] if data.shape[0] else empty
