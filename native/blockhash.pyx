"""Keyed signatures of 4 KiB blocks, and the order-independent digest of a disk."""

from libc.stdint cimport int64_t, uint8_t
from libc.string cimport memcpy, memset

from understudy.native.capi cimport Hash128
from understudy.native.layout cimport BLOCK_SIZE


def sign(const uint8_t[::1] blocks not None, const uint8_t[::1] secret not None, uint8_t[:, ::1] out not None):
    whole_blocks(blocks)
    return sign_tail(blocks, secret, out)


def sign_tail(const uint8_t[::1] data not None, const uint8_t[::1] secret not None, uint8_t[:, ::1] out not None):
    cdef Py_ssize_t whole = data.shape[0] // BLOCK_SIZE
    cdef Py_ssize_t rest = data.shape[0] % BLOCK_SIZE
    cdef Py_ssize_t index, zero = 0
    cdef Signature value
    cdef Signer by
    cdef uint8_t padded[BLOCK_SIZE]
    check_secret(secret)
    check_signatures(out, whole + (rest > 0))
    if data.shape[0] == 0:
        return 0
    with nogil:
        by = signer(secret)
        for index in range(whole):
            value = sign_block(&by, &data[index * BLOCK_SIZE])
            zero += is_null(value)
            store(&out[index, 0], value)
        if rest:
            memcpy(padded, &data[whole * BLOCK_SIZE], rest)
            memset(padded + rest, 0, BLOCK_SIZE - rest)
            value = sign_block(&by, padded)
            zero += is_null(value)
            store(&out[whole, 0], value)
    return zero


def digest(const int64_t[:, ::1] extents not None, const uint8_t[:, ::1] signatures not None, const uint8_t[::1] secret not None):
    cdef Py_ssize_t extent, index = 0
    cdef int64_t block
    cdef Hash128 total = Hash128(0, 0)
    check_secret(secret)
    check_signatures(signatures, signatures.shape[0])
    check_extents(extents, signatures.shape[0])
    with nogil:
        for extent in range(extents.shape[0]):
            for block in range(extents[extent, 0], extents[extent, 0] + extents[extent, 1]):
                add(&total, contribution(block, load(&signatures[index, 0]), &secret[0], secret.shape[0]))
                index += 1
    return (int(total.high) << 64) | int(total.low)
