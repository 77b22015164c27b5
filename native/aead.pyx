"""Seal and open N frames under one key; a frame's nonce is its number."""

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memset

from understudy.native.capi cimport NONCE_SIZE_MAX, Suite, suite_of
from understudy.native.frame cimport set_nonce
from understudy.native.layout cimport KEY_SIZE
from understudy.native.pieces cimport check_count, check_pieces, start

cdef enum:
    PIECE_MAX = 0x7FFFFFFF  # far below either suite's limit, so that no sum of tags overflows


class SealError(ValueError):
    """`index` is the frame that does not open; `reason` says why."""

    def __init__(self, index, reason):
        super().__init__(index, reason)
        self.index = index
        self.reason = reason

    def __str__(self):
        return f"frame {self.index} {self.reason}"


def overhead(int suite):
    return suite_of(suite).tag


cdef int check(
    const uint8_t[::1] key,
    const uint64_t[::1] numbers,
    const uint8_t[::1] data,
    const int64_t[::1] lengths,
    const uint8_t[:, ::1] associated,
) except -1:
    if key.shape[0] != KEY_SIZE:
        raise ValueError(f"a key has {KEY_SIZE} bytes, not {key.shape[0]}")
    check_pieces(lengths, PIECE_MAX, data.shape[0])
    check_count("numbers", numbers.shape[0], lengths.shape[0])
    check_count("rows of associated data", associated.shape[0], lengths.shape[0])
    return 0


def seal(
    int suite,
    const uint8_t[::1] key not None,
    const uint64_t[::1] numbers not None,
    const uint8_t[::1] data not None,
    const int64_t[::1] lengths not None,
    const uint8_t[:, ::1] associated not None,
    uint8_t[::1] out not None,
):
    cdef const Suite *chosen = suite_of(suite)
    cdef uint8_t nonce[NONCE_SIZE_MAX]
    cdef const uint8_t *source = start(data, nonce)
    cdef const uint8_t *extra = nonce
    cdef Py_ssize_t index
    cdef unsigned long long size = 0, written = 0
    cdef int failed = 0
    check(key, numbers, data, lengths, associated)
    need = data.shape[0] + lengths.shape[0] * <Py_ssize_t>chosen.tag
    if out.shape[0] < need:
        raise ValueError(f"out needs {need} bytes, not {out.shape[0]}")
    memset(nonce, 0, sizeof(nonce))
    with nogil:
        for index in range(lengths.shape[0]):
            set_nonce(nonce, numbers[index])
            if associated.shape[1]:
                extra = &associated[index, 0]
            failed = chosen.seal(
                &out[written], &size, source, lengths[index], extra, associated.shape[1], NULL, nonce, &key[0]
            )
            if failed:
                break
            source += lengths[index]
            written += size
    if failed:
        raise RuntimeError(f"libsodium does not seal frame {index}")
    return written


def open(
    int suite,
    const uint8_t[::1] key not None,
    const uint64_t[::1] numbers not None,
    const uint8_t[::1] data not None,
    const int64_t[::1] lengths not None,
    const uint8_t[:, ::1] associated not None,
    uint8_t[::1] out not None,
):
    cdef const Suite *chosen = suite_of(suite)
    cdef int64_t tag = chosen.tag
    cdef uint8_t nonce[NONCE_SIZE_MAX]
    cdef const uint8_t *source = start(data, nonce)
    cdef const uint8_t *extra = nonce
    cdef uint8_t *place = <uint8_t *>start(out, nonce)
    cdef Py_ssize_t index, need = 0
    cdef unsigned long long size = 0, written = 0
    cdef bint short = False
    cdef int failed = 0
    check(key, numbers, data, lengths, associated)
    for index in range(lengths.shape[0]):
        need += max(lengths[index] - tag, 0)
    if out.shape[0] < need:
        raise ValueError(f"out needs {need} bytes, not {out.shape[0]}")
    memset(nonce, 0, sizeof(nonce))
    with nogil:
        for index in range(lengths.shape[0]):
            short = lengths[index] < tag
            if short:
                break
            set_nonce(nonce, numbers[index])
            if associated.shape[1]:
                extra = &associated[index, 0]
            failed = chosen.open(
                place + written, &size, NULL, source, lengths[index], extra, associated.shape[1], nonce, &key[0]
            )
            if failed:
                memset(place, 0, written + lengths[index] - tag)
                break
            source += lengths[index]
            written += size
        if short:
            memset(place, 0, written)
    if short:
        raise SealError(index, f"of {lengths[index]} bytes is shorter than its tag of {tag}")
    if failed:
        raise SealError(index, "is not authentic: altered, misplaced, or sealed under another key")
    return written
