"""Extent maps as sorted columns: merge, cut and compare; the contract is in diskmap.pyi."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from understudy.native.layout cimport FRAME_BLOCKS, KIND_RAW, KIND_ZERO

cdef extern from *:
    """
    #include <stdint.h>
    /* layout.PIECE. Packed: numpy hands out such rows at any alignment. */
    typedef struct __attribute__((packed)) {
        uint64_t first, blocks, offset;
        uint32_t length, number, pack;
        uint8_t frame_blocks, skip, kind, reserved;
    } piece_t;
    """
    ctypedef packed struct piece_t:
        uint64_t first
        uint64_t blocks
        uint64_t offset
        uint32_t length
        uint32_t number
        uint32_t pack
        uint8_t frame_blocks
        uint8_t skip
        uint8_t kind
        uint8_t reserved

# Block numbers stay below 2^62, so that sums and signed conversions cannot overflow.
cdef uint64_t LIMIT = <uint64_t>1 << 62

cdef tuple REASONS = (
    "no blocks, or blocks past the end of any disk",
    "overlaps the row before it or is out of order",
    "unknown kind",
    "does not lie inside its frame",
)


cdef int _fault(const piece_t *rows, int64_t n, int64_t *bad) noexcept nogil:
    """-1, or an index into REASONS and the row in `bad`."""
    cdef int64_t i
    cdef uint64_t end = 0
    for i in range(n):
        bad[0] = i
        if rows[i].blocks < 1 or rows[i].blocks > LIMIT or rows[i].first > LIMIT - rows[i].blocks:
            return 0
        if rows[i].first < end:
            return 1
        end = rows[i].first + rows[i].blocks
        if rows[i].kind > KIND_RAW:
            return 2
        if rows[i].kind != KIND_ZERO and (
            rows[i].frame_blocks > FRAME_BLOCKS or rows[i].skip + rows[i].blocks > rows[i].frame_blocks
        ):
            return 3
    return -1


cdef int _check(const piece_t[::1] rows, str name) except -1:
    cdef int64_t bad = 0
    cdef int fault
    if rows.shape[0]:
        with nogil:
            fault = _fault(&rows[0], rows.shape[0], &bad)
        if fault >= 0:
            raise ValueError(f"{name} row {bad}: {REASONS[fault]}")
    return 0


cdef inline void _part(const piece_t *row, uint64_t first, uint64_t end, piece_t *out) noexcept nogil:
    """The part of `row` inside first..end, which lie inside it."""
    out[0] = row[0]
    if row.kind != KIND_ZERO:
        out.skip = <uint8_t>(row.skip + (first - row.first))
    out.first = first
    out.blocks = end - first


cdef int64_t _overlay(
    const piece_t *low, int64_t lows, const piece_t *up, int64_t ups, piece_t *out, bint drop_zero
) noexcept nogil:
    cdef int64_t i = 0, u, n = 0
    cdef uint64_t at = 0, stop, first, end
    # Between two upper rows lies a window at..stop in which the lower rows show.
    for u in range(ups + 1):
        stop = up[u].first if u < ups else LIMIT
        while i < lows and low[i].first < stop:
            first = low[i].first if low[i].first > at else at
            end = low[i].first + low[i].blocks
            if end > stop:
                if first < stop and not (drop_zero and low[i].kind == KIND_ZERO):
                    _part(&low[i], first, stop, &out[n])
                    n += 1
                break
            if first < end and not (drop_zero and low[i].kind == KIND_ZERO):
                _part(&low[i], first, end, &out[n])
                n += 1
            i += 1
        if u < ups:
            if not (drop_zero and up[u].kind == KIND_ZERO):
                out[n] = up[u]
                n += 1
            at = up[u].first + up[u].blocks
    return n


def overlay_bound(int64_t lower, int64_t upper):
    if lower < 0 or upper < 0 or lower > 1 << 56 or upper > 1 << 56:
        raise ValueError("a number of rows is negative or absurd")
    return lower + 2 * upper


def overlay(const piece_t[::1] lower not None, const piece_t[::1] upper not None, piece_t[::1] out not None, bint drop_zero):
    cdef int64_t n, bound = overlay_bound(lower.shape[0], upper.shape[0])
    if out.shape[0] < bound:
        raise ValueError(f"{out.shape[0]} rows of room, {bound} are needed")
    _check(lower, "lower")
    _check(upper, "upper")
    with nogil:
        n = _overlay(&lower[0], lower.shape[0], &upper[0], upper.shape[0], &out[0], drop_zero)
    return n


def cut(const piece_t[::1] rows not None, int64_t first, int64_t count, piece_t[::1] out not None):
    cdef int64_t i, low, high, n
    cdef uint64_t start, stop, a, b
    if first < 0 or count < 0 or <uint64_t>first > LIMIT or <uint64_t>count > LIMIT - <uint64_t>first:
        raise ValueError(f"{count} blocks from {first} are no part of a disk")
    _check(rows, "map")
    start, stop = <uint64_t>first, <uint64_t>first + <uint64_t>count
    with nogil:
        low, high = 0, rows.shape[0]
        while low < high and rows[low].first + rows[low].blocks <= start:
            low += 1
        while high > low and rows[high - 1].first >= stop:
            high -= 1
    n = high - low if count else 0
    if out.shape[0] < n:
        raise ValueError(f"{out.shape[0]} rows of room, {n} are needed")
    with nogil:
        for i in range(n):
            a, b = rows[low + i].first, rows[low + i].first + rows[low + i].blocks
            _part(&rows[low + i], a if a > start else start, b if b < stop else stop, &out[i])
    return n


cdef inline bint _same(const piece_t *a, const piece_t *b) noexcept nogil:
    """Both hold the same frame's blocks at the same place."""
    return a.pack == b.pack and a.number == b.number and a.first - a.skip == b.first - b.skip


cdef int64_t _differing(const piece_t *a, int64_t na, const piece_t *b, int64_t nb, int64_t *out) noexcept nogil:
    cdef int64_t i = 0, j = 0, n = 0
    cdef uint64_t at = 0, stop, reach = 0
    cdef const piece_t *x
    cdef const piece_t *y
    while True:
        while i < na and (a[i].kind == KIND_ZERO or a[i].first + a[i].blocks <= at):
            i += 1
        while j < nb and (b[j].kind == KIND_ZERO or b[j].first + b[j].blocks <= at):
            j += 1
        if i >= na and j >= nb:
            return n
        # at..stop is the longest stretch in which neither side's source changes.
        stop = LIMIT
        x = y = NULL
        if i < na:
            if a[i].first <= at:
                x = &a[i]
                stop = x.first + x.blocks
            else:
                stop = a[i].first
        if j < nb:
            if b[j].first <= at:
                y = &b[j]
                stop = min(stop, y.first + y.blocks)
            else:
                stop = min(stop, b[j].first)
        if (x != NULL or y != NULL) and (x == NULL or y == NULL or not _same(x, y)):
            if n and reach == at:
                out[2 * n - 1] += <int64_t>(stop - at)
            else:
                out[2 * n] = <int64_t>at
                out[2 * n + 1] = <int64_t>(stop - at)
                n += 1
            reach = stop
        at = stop


def differing(const piece_t[::1] a not None, const piece_t[::1] b not None, int64_t[:, ::1] out not None):
    cdef int64_t n, bound = a.shape[0] + b.shape[0]
    if out.shape[1] != 2:
        raise ValueError("extents have two columns")
    if out.shape[0] < bound:
        raise ValueError(f"{out.shape[0]} rows of room, {bound} are needed")
    _check(a, "a")
    _check(b, "b")
    with nogil:
        n = _differing(&a[0], a.shape[0], &b[0], b.shape[0], &out[0, 0])
    return n
