"""The table of C functions that the kernels call. capi.pyx fills it once, at import; kernels only read it."""

from libc.stdint cimport uint8_t, uint64_t

cdef struct Hash128:
    uint64_t low
    uint64_t high

ctypedef int (*Compress)(void *state, const char *source, char *out, int size, int capacity, int acceleration) noexcept nogil
ctypedef int (*Decompress)(const char *source, char *out, int size, int capacity) noexcept nogil
ctypedef Hash128 (*Hash)(const void *data, size_t size, const void *secret, size_t secret_size) noexcept nogil
ctypedef int (*Seal)(
    uint8_t *out, unsigned long long *written, const uint8_t *data, unsigned long long size,
    const uint8_t *associated, unsigned long long associated_size, const uint8_t *unused, const uint8_t *nonce, const uint8_t *key,
) noexcept nogil
ctypedef int (*Open)(
    uint8_t *out, unsigned long long *written, uint8_t *unused, const uint8_t *data, unsigned long long size,
    const uint8_t *associated, unsigned long long associated_size, const uint8_t *nonce, const uint8_t *key,
) noexcept nogil

cdef enum:
    # LZ4_sizeofState() is 16416 in every release since 1.7; a library that wants more is refused when it is bound.
    LZ4_STATE_SIZE = 20480
    LZ4_STATE_ALIGNMENT = 64
    LZ4_INPUT_MAX = 0x7E000000
    LZ4_SIZE_MAX = 0x7FFFFFFF  # of what it decompresses, an int
    NONCE_SIZE_MAX = 32

cdef struct Suite:
    Seal seal
    Open open
    size_t nonce
    size_t tag

cdef struct Api:
    Compress compress
    Decompress decompress
    Hash hash
    Suite suites[3]  # by suite number; seal is NULL where the library lacks it

cdef Api api

# The suite's row of the table. ValueError: no such suite. ProviderError: the bound libsodium lacks it.
cdef const Suite *suite_of(int number) except NULL
