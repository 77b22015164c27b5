"""Blocks and old signatures in; sealed frames, their index, new signatures and statistics out.

One pass: a block is signed and compared while it comes from memory; a run that changed is compressed when it is complete, at most
256 KiB later and so still in the L2 cache, and sealed from the compressor's output straight to where it stays.
"""

from collections import namedtuple

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from understudy.native.blockhash cimport (
    Signature, Signer, add, check_extents, check_secret, check_signatures, contribution, is_null, load, same, sign_block, signer, store, subtract,
    whole_blocks,
)
from understudy.native.capi cimport NONCE_SIZE_MAX, Hash128, Suite, api, suite_of
from understudy.native.frame cimport (
    ASSOCIATED_SIZE, PAYLOAD_SIZE, SCRATCH_SIZE, check_scratch, payload_in, set_nonce, set_position, state_in,
)
from understudy.native.layout cimport (
    BLOCK_SIZE, CONTEXT_SIZE, FRAME_BLOCKS, KEY_SIZE, KIND_LZ4, KIND_RAW, KIND_ZERO, SIGNATURE_SIZE, FrameRow,
)

Encoded = namedtuple("Encoded", ("sealed", "frames", "number", "futile", "changed", "zero", "raw", "digest"))

cdef enum Change:
    UNCHANGED
    CHANGED
    CHANGED_TO_ZERO

cdef enum:
    PROBED_FROM = 16  # blocks: of fewer, a look at some costs as much as to compress all
    PROBES = 3
    GAIN = 128  # bytes of a block that must be saved: what is packed already may lose a few

cdef struct Pass:
    # in
    const uint8_t *blocks
    const uint8_t *old
    const uint8_t *digest_secret
    size_t digest_secret_size
    const uint8_t *key
    const Suite *suite
    uint64_t offset
    uint16_t disk
    # working space
    Signer by
    uint8_t *state
    uint8_t *payload
    uint8_t nonce[NONCE_SIZE_MAX]
    uint8_t associated[ASSOCIATED_SIZE]
    # out
    uint8_t *new
    uint8_t *out
    FrameRow *rows
    uint64_t sealed
    uint64_t frames
    uint64_t number
    uint64_t changed
    uint64_t zero
    uint64_t raw
    Hash128 digest
    uint64_t futile  # frames since LZ4 gained something


cdef inline bint may_compress(Pass *p, const uint8_t *data, uint32_t blocks) noexcept nogil:
    """After runs that did not: whether one of some blocks does; after more of them one place of these for each run in turn, and of short
    runs each third is tried. What is encrypted or packed already is so for long: random data is encoded at 7.2 GB/s, at 6.8 where each run
    is looked at in three places, at 4.9 where each is compressed; of it every second block at 7.1 instead of 4.4. An image of a system came
    out 0.05 % larger. What is alike among random blocks is missed so."""
    cdef int probe, compressed
    cdef bint rarely = p.futile > PROBES
    if p.futile == 0:
        return True
    if blocks < PROBED_FROM:
        return not rarely or p.number % PROBES == 0
    for probe in range(PROBES):
        if rarely and probe != p.number % PROBES:
            continue
        compressed = api.compress(
            p.state, <const char *>data + blocks * (2 * probe + 1) // (2 * PROBES) * BLOCK_SIZE, <char *>p.payload, BLOCK_SIZE, PAYLOAD_SIZE, 1
        )
        if 0 < compressed < BLOCK_SIZE - GAIN:
            return True
    return False


cdef bint emit(Pass *p, Change change, const uint8_t *data, uint64_t first, uint32_t blocks) noexcept nogil:
    """The run that starts at `data`, as one row and, unless it is zero, one frame. False: libsodium failed."""
    cdef FrameRow *row = &p.rows[p.frames]
    cdef const uint8_t *payload = data
    cdef int size = <int>blocks * BLOCK_SIZE
    cdef int compressed
    cdef unsigned long long written = 0
    if change == UNCHANGED:
        return True
    memset(row, 0, sizeof(FrameRow))
    row.first = first
    row.blocks = blocks
    row.disk = p.disk
    row.kind = KIND_ZERO
    if change == CHANGED:
        row.kind = KIND_RAW
        if may_compress(p, data, blocks):
            # Room for the worst case, so that LZ4 takes its faster path without checks of the output's end.
            compressed = api.compress(p.state, <const char *>data, <char *>p.payload, size, PAYLOAD_SIZE, 1)
            if 0 < compressed < size:
                row.kind = KIND_LZ4
                payload = p.payload
                size = compressed
        p.futile = p.futile + 1 if row.kind == KIND_RAW else 0
        set_nonce(p.nonce, p.number)
        set_position(p.associated, first, blocks, row.kind)
        if p.suite.seal(p.out + p.sealed, &written, payload, size, p.associated, ASSOCIATED_SIZE, NULL, p.nonce, p.key) != 0:
            return False
        row.offset = p.offset + p.sealed
        row.length = <uint32_t>written
        row.number = <uint32_t>p.number
        p.sealed += written
        p.number += 1
        p.raw += row.kind == KIND_RAW
    p.frames += 1
    return True


cdef bint encode_extent(Pass *p, uint64_t first, Py_ssize_t index, Py_ssize_t count) noexcept nogil:
    """Blocks index.. of the call, which are blocks first.. of the disk."""
    cdef const uint8_t *data = p.blocks + index * BLOCK_SIZE
    cdef Py_ssize_t position, run = 0
    cdef Change change, running = UNCHANGED
    cdef Signature before, after
    for position in range(count):
        after = sign_block(&p.by, data + position * BLOCK_SIZE)
        before = load(p.old + (index + position) * SIGNATURE_SIZE)
        store(p.new + (index + position) * SIGNATURE_SIZE, after)
        change = UNCHANGED
        if not same(before, after):
            change = CHANGED_TO_ZERO if is_null(after) else CHANGED
            p.changed += 1
            p.zero += change == CHANGED_TO_ZERO
            add(&p.digest, contribution(first + position, after, p.digest_secret, p.digest_secret_size))
            subtract(&p.digest, contribution(first + position, before, p.digest_secret, p.digest_secret_size))
        if change != running or (change == CHANGED and position - run == FRAME_BLOCKS):
            if not emit(p, running, data + run * BLOCK_SIZE, first + run, position - run):
                return False
            running = change
            run = position
    return emit(p, running, data + run * BLOCK_SIZE, first + run, count - run)


def bounds(int suite, object blocks):
    """The worst case is that every block is an extent of its own: a frame each. (Data and zero in turn also make a row each.)"""
    if not 0 <= blocks <= 0xFFFFFFFF:
        raise ValueError(f"a call takes 0 to 2^32 - 1 blocks, not {blocks}")
    return blocks * (BLOCK_SIZE + suite_of(suite).tag), blocks


def scratch_size():
    return SCRATCH_SIZE


def encode(
    const uint8_t[::1] blocks not None,
    const int64_t[:, ::1] extents not None,
    const uint8_t[:, ::1] old not None,
    *,
    const uint8_t[::1] secret not None,
    const uint8_t[::1] digest_secret not None,
    int suite,
    const uint8_t[::1] key not None,
    object number,
    object futile,
    const uint8_t[::1] context not None,
    object disk,
    object offset,
    uint8_t[::1] out not None,
    FrameRow[::1] frames not None,
    uint8_t[:, ::1] new not None,
    uint8_t[::1] scratch not None,
):
    cdef Py_ssize_t total = whole_blocks(blocks)
    cdef Py_ssize_t extent, index = 0
    cdef bint complete = True
    cdef Pass p

    check_secret(secret)
    check_secret(digest_secret)
    check_signatures(old, total)
    check_signatures(new, total)
    check_scratch(scratch)
    check_extents(extents, total)
    most_bytes, most_rows = bounds(suite, total)
    if key.shape[0] != KEY_SIZE or context.shape[0] != CONTEXT_SIZE:
        raise ValueError(f"key and context are {KEY_SIZE} and {CONTEXT_SIZE} bytes, not {key.shape[0]} and {context.shape[0]}")
    if out.shape[0] < most_bytes or frames.shape[0] < most_rows:
        raise ValueError(f"{total} blocks may need {most_bytes} bytes and {most_rows} rows, not {out.shape[0]} and {frames.shape[0]}")
    if not 0 <= number <= (1 << 32) - total:
        raise ValueError(f"{total} frame numbers from {number} on may pass 2^32")
    if not 0 <= futile <= (1 << 63) - 1:
        raise ValueError(f"futile is 0 to 2^63 - 1, not {futile}")
    if not 0 <= disk <= 0xFFFF:
        raise ValueError(f"disk is 0 to 65535, not {disk}")
    if not 0 <= offset <= (1 << 63) - 1 - most_bytes:
        raise ValueError(f"offset {offset} is negative or beyond 2^63")
    if total == 0:
        return Encoded(0, 0, number, futile, 0, 0, 0, 0)

    memset(&p, 0, sizeof(p))
    p.blocks = &blocks[0]
    p.old = &old[0, 0]
    p.by = signer(secret)
    p.digest_secret = &digest_secret[0]
    p.digest_secret_size = digest_secret.shape[0]
    p.suite = suite_of(suite)
    p.key = &key[0]
    p.offset = offset
    p.disk = disk
    p.state = state_in(&scratch[0])
    p.payload = payload_in(&scratch[0])
    memcpy(p.associated, &context[0], CONTEXT_SIZE)
    p.new = &new[0, 0]
    p.out = &out[0]
    p.rows = &frames[0]
    p.number = number
    p.futile = futile
    with nogil:
        for extent in range(extents.shape[0]):
            complete = encode_extent(&p, extents[extent, 0], index, extents[extent, 1])
            if not complete:
                break
            index += extents[extent, 1]
    if not complete:
        raise RuntimeError(f"libsodium does not seal frame {p.number}")
    return Encoded(p.sealed, p.frames, p.number, p.futile, p.changed, p.zero, p.raw, (int(p.digest.high) << 64) | int(p.digest.low))
