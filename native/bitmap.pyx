"""Bitmaps in QEMU's bit order and their extents; the contract is in bitmap.pyi."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "bitwords.h" nogil:
    int64_t bits_next(const uint8_t *p, int64_t bits, int64_t start, uint64_t flip)
    void bits_fill(uint8_t *p, int64_t first, int64_t count, int on)
    int64_t bits_runs(const uint8_t *p, int64_t bits, int64_t gap, int64_t *out, int64_t room)
    int64_t bits_population(const uint8_t *p, int64_t bits)

cdef uint64_t CLEAR = ~<uint64_t>0


cdef inline int64_t _bytes(int64_t bits) noexcept nogil:
    return bits // 8 + (bits % 8 != 0)


cdef int _check(const uint8_t[::1] bitmap, int64_t bits, str name) except -1:
    if bits < 0:
        raise ValueError(f"{name}: {bits} bits")
    if _bytes(bits) > bitmap.shape[0]:
        raise ValueError(f"{name}: {bits} bits need {_bytes(bits)} bytes, the buffer has {bitmap.shape[0]}")
    return 0


cdef int _check_range(int64_t first, int64_t count, int64_t bits) except -1:
    if first < 0 or count < 0 or first > bits or count > bits - first:
        raise ValueError(f"{count} bits from {first} do not lie inside {bits}")
    return 0


def count_runs(const uint8_t[::1] bitmap not None, int64_t bits, int64_t gap=0):
    cdef int64_t n
    _check(bitmap, bits, "bitmap")
    if gap < 0:
        raise ValueError(f"gap {gap} is negative")
    with nogil:
        n = bits_runs(&bitmap[0], bits, gap, NULL, 0)
    return n


def to_extents(const uint8_t[::1] bitmap not None, int64_t bits, int64_t[:, ::1] out not None, int64_t gap=0):
    cdef int64_t n, room = out.shape[0]
    _check(bitmap, bits, "bitmap")
    if gap < 0:
        raise ValueError(f"gap {gap} is negative")
    if out.shape[1] != 2:
        raise ValueError("extents have two columns")
    with nogil:
        n = bits_runs(&bitmap[0], bits, gap, &out[0, 0], room)
    if n > room:
        raise ValueError(f"{n} extents do not fit {room} rows")
    return n


def from_extents(const int64_t[:, ::1] extents not None, uint8_t[::1] bitmap not None, int64_t bits):
    cdef int64_t i, bad = -1, n = extents.shape[0]
    _check(bitmap, bits, "bitmap")
    if extents.shape[1] != 2:
        raise ValueError("extents have two columns")
    with nogil:
        for i in range(n):
            if extents[i, 0] < 0 or extents[i, 1] < 0 or extents[i, 0] > bits or extents[i, 1] > bits - extents[i, 0]:
                bad = i
                break
        if bad < 0:
            for i in range(n):
                bits_fill(&bitmap[0], extents[i, 0], extents[i, 1], 1)
    if bad >= 0:
        raise ValueError(f"extent {bad}: {extents[bad, 1]} bits from {extents[bad, 0]} do not lie inside {bits}")


def set_range(uint8_t[::1] bitmap not None, int64_t bits, int64_t first, int64_t count):
    _check(bitmap, bits, "bitmap")
    _check_range(first, count, bits)
    with nogil:
        bits_fill(&bitmap[0], first, count, 1)


def population(const uint8_t[::1] bitmap not None, int64_t bits):
    cdef int64_t n
    _check(bitmap, bits, "bitmap")
    with nogil:
        n = bits_population(&bitmap[0], bits)
    return n


cdef enum Operation:
    UNION
    INTERSECT
    SUBTRACT


cdef void _combine(uint8_t *into, const uint8_t *other, int64_t bits, Operation operation) noexcept nogil:
    cdef int64_t i, whole = bits // 8
    cdef uint8_t mask = <uint8_t>((1 << (bits % 8)) - 1)
    if operation == UNION:
        for i in range(whole):
            into[i] |= other[i]
        if mask:
            into[whole] |= other[whole] & mask
    elif operation == INTERSECT:
        for i in range(whole):
            into[i] &= other[i]
        if mask:
            into[whole] &= other[whole] | <uint8_t>~mask
    else:
        for i in range(whole):
            into[i] &= <uint8_t>~other[i]
        if mask:
            into[whole] &= <uint8_t>~(other[whole] & mask)


def union(uint8_t[::1] into not None, const uint8_t[::1] other not None, int64_t bits):
    _check(into, bits, "into")
    _check(other, bits, "other")
    with nogil:
        _combine(&into[0], &other[0], bits, UNION)


def intersect(uint8_t[::1] into not None, const uint8_t[::1] other not None, int64_t bits):
    _check(into, bits, "into")
    _check(other, bits, "other")
    with nogil:
        _combine(&into[0], &other[0], bits, INTERSECT)


def subtract(uint8_t[::1] into not None, const uint8_t[::1] other not None, int64_t bits):
    _check(into, bits, "into")
    _check(other, bits, "other")
    with nogil:
        _combine(&into[0], &other[0], bits, SUBTRACT)


cdef int64_t _coarse_bits(int64_t bits, int64_t factor) except -1:
    if factor < 1:
        raise ValueError(f"factor {factor} is not positive")
    return (bits - 1) // factor + 1 if bits > 0 else 0


def coarsen(const uint8_t[::1] fine not None, int64_t bits, int64_t factor, uint8_t[::1] coarse not None):
    cdef int64_t n, first, end, last, at
    _check(fine, bits, "fine")
    n = _coarse_bits(bits, factor)
    _check(coarse, n, "coarse")
    with nogil:
        bits_fill(&coarse[0], 0, n, 0)
        at = 0
        while True:
            first = bits_next(&fine[0], bits, at, 0)
            if first >= bits:
                break
            end = bits_next(&fine[0], bits, first, CLEAR)
            last = (end - 1) // factor
            bits_fill(&coarse[0], first // factor, last - first // factor + 1, 1)
            if last + 1 >= n:
                break
            at = (last + 1) * factor
    return n


def refine(const uint8_t[::1] coarse not None, int64_t factor, uint8_t[::1] fine not None, int64_t bits):
    cdef int64_t n, first, end, stop
    _check(fine, bits, "fine")
    n = _coarse_bits(bits, factor)
    _check(coarse, n, "coarse")
    with nogil:
        bits_fill(&fine[0], 0, bits, 0)
        end = 0
        while True:
            first = bits_next(&coarse[0], n, end, 0)
            if first >= n:
                break
            end = bits_next(&coarse[0], n, first, CLEAR)
            stop = bits if end >= n else end * factor
            bits_fill(&fine[0], first * factor, stop - first * factor, 1)
