"""Which blocks differ, from their signatures or from another buffer."""

from libc.stdint cimport uint8_t
from libc.string cimport memcmp

from understudy.native.blockhash cimport Signer, check_secret, check_signatures, load, same, sign_block, signer, whole_blocks
from understudy.native.layout cimport BLOCK_SIZE


cdef int check_out(const uint8_t[::1] out, Py_ssize_t total) except -1:
    if out.shape[0] != total:
        raise ValueError(f"out has a byte for each of {total} blocks, not {out.shape[0]}")
    return 0


def differs(
    const uint8_t[::1] blocks not None, const uint8_t[:, ::1] old not None, const uint8_t[::1] secret not None, uint8_t[::1] out not None
):
    cdef Py_ssize_t total = whole_blocks(blocks)
    cdef Py_ssize_t index, count = 0
    cdef Signer by
    check_secret(secret)
    check_signatures(old, total)
    check_out(out, total)
    with nogil:
        by = signer(secret)
        for index in range(total):
            out[index] = not same(sign_block(&by, &blocks[index * BLOCK_SIZE]), load(&old[index, 0]))
            count += out[index]
    return count


def differs_from(const uint8_t[::1] blocks not None, const uint8_t[::1] other not None, uint8_t[::1] out not None):
    cdef Py_ssize_t total = whole_blocks(blocks)
    cdef Py_ssize_t index, count = 0
    if other.shape[0] != blocks.shape[0]:
        raise ValueError(f"the other buffer has {other.shape[0]} bytes, not {blocks.shape[0]}")
    check_out(out, total)
    with nogil:
        for index in range(total):
            out[index] = memcmp(&blocks[index * BLOCK_SIZE], &other[index * BLOCK_SIZE], BLOCK_SIZE) != 0
            count += out[index]
    return count
