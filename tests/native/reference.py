"""The truth that the kernels are held to: plain Python from the specifications, and the public APIs of lz4 and nacl."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

import lz4.block
import numpy as np
from nacl import bindings

from understudy.native.layout import BLOCK_SIZE, FRAME_BLOCKS, KIND_RAW, KIND_ZERO, SUITE_AEGIS256, SUITE_XCHACHA20POLY1305

MASK = (1 << 64) - 1
P32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)

TAGS = {SUITE_AEGIS256: 32, SUITE_XCHACHA20POLY1305: 16}
NONCES = {SUITE_AEGIS256: 32, SUITE_XCHACHA20POLY1305: 24}


def _word(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product & MASK) ^ (product >> 64)


def _avalanche(value: int) -> int:
    value ^= value >> 37
    value = value * 0x165667919E3779F9 & MASK
    return value ^ (value >> 32)


def xxh3_128(data: bytes, secret: bytes) -> int:
    """XXH3-128 with a secret and seed 0, for the lengths in use: 17 to 32 bytes and more than 240."""
    if 17 <= len(data) <= 32:
        return _xxh3_short(data, secret)
    assert len(data) > 240
    return _xxh3_long(data, secret)


def _xxh3_short(data: bytes, secret: bytes) -> int:
    length = len(data)
    head = _word(data, 0), _word(data, 8)
    tail = _word(data, length - 16), _word(data, length - 8)
    low = length * P64[0] & MASK
    low = (low + _fold(head[0] ^ _word(secret, 0), head[1] ^ _word(secret, 8))) & MASK
    low ^= sum(tail) & MASK
    high = _fold(tail[0] ^ _word(secret, 16), tail[1] ^ _word(secret, 24))
    high ^= sum(head) & MASK
    first = (low + high) & MASK
    second = (low * P64[0] + high * P64[3] + length * P64[1]) & MASK
    return (-_avalanche(second) & MASK) << 64 | _avalanche(first)


def _xxh3_long(data: bytes, secret: bytes) -> int:
    lanes = [P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]]

    def accumulate(stripe: int, key: int) -> None:
        for lane in range(8):
            value = _word(data, stripe + 8 * lane)
            mixed = value ^ _word(secret, key + 8 * lane)
            lanes[lane ^ 1] = (lanes[lane ^ 1] + value) & MASK
            lanes[lane] = (lanes[lane] + (mixed & 0xFFFFFFFF) * (mixed >> 32)) & MASK

    stripes = (len(secret) - 64) // 8
    for stripe in range((len(data) - 1) // 64):
        accumulate(stripe * 64, stripe % stripes * 8)
        if (stripe + 1) % stripes == 0:
            for lane in range(8):
                value = lanes[lane] ^ (lanes[lane] >> 47) ^ _word(secret, len(secret) - 64 + 8 * lane)
                lanes[lane] = value * P32[0] & MASK
    accumulate(len(data) - 64, len(secret) - 64 - 7)

    def merge(key: int, start: int) -> int:
        pairs = (_fold(lanes[2 * i] ^ _word(secret, key + 16 * i), lanes[2 * i + 1] ^ _word(secret, key + 16 * i + 8)) for i in range(4))
        return _avalanche((start + sum(pairs)) & MASK)

    low = merge(11, len(data) * P64[0] & MASK)
    high = merge(len(secret) - 64 - 11, ~(len(data) * P64[1]) & MASK)
    return high << 64 | low


@cache
def _sign(block: bytes, secret: bytes) -> bytes:
    return bytes(16) if not any(block) else xxh3_128(block, secret).to_bytes(16, "big")


def signatures(data: np.ndarray, secret: np.ndarray) -> np.ndarray:
    """(N, 16); a short last block is padded."""
    padded = data.tobytes() + bytes(-len(data) % BLOCK_SIZE)
    rows = [_sign(padded[at : at + BLOCK_SIZE], secret.tobytes()) for at in range(0, len(padded), BLOCK_SIZE)]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 16).copy()


def digest(blocks: np.ndarray, signed: np.ndarray, secret: np.ndarray) -> int:
    """Of the numbered blocks."""
    terms = (
        xxh3_128(int(block).to_bytes(8, "little") + row.tobytes(), secret.tobytes())
        for block, row in zip(blocks, signed, strict=True)
        if row.any()
    )
    return sum(terms) % (1 << 128)


def seal(suite: int, key: bytes, number: int, data: bytes, associated: bytes) -> bytes:
    nonce = number.to_bytes(8, "little").ljust(NONCES[suite], b"\0")
    name = {SUITE_AEGIS256: "aegis256", SUITE_XCHACHA20POLY1305: "xchacha20poly1305_ietf"}[suite]
    return getattr(bindings, f"crypto_aead_{name}_encrypt")(data, associated, nonce, key)


def unseal(suite: int, key: bytes, number: int, data: bytes, associated: bytes) -> bytes:
    nonce = number.to_bytes(8, "little").ljust(NONCES[suite], b"\0")
    name = {SUITE_AEGIS256: "aegis256", SUITE_XCHACHA20POLY1305: "xchacha20poly1305_ietf"}[suite]
    return getattr(bindings, f"crypto_aead_{name}_decrypt")(data, associated, nonce, key)


def associated(context: bytes, row: np.void) -> bytes:
    return context + int(row["first"]).to_bytes(8, "little") + int(row["blocks"]).to_bytes(4, "little") + bytes([row["kind"]])


def open_frame(row: np.void, sealed: bytes, suite: int, key: bytes, context: bytes) -> bytes:
    """A frame's blocks, without any kernel."""
    size = int(row["blocks"]) * BLOCK_SIZE
    if row["kind"] == KIND_ZERO:
        return bytes(size)
    opened = unseal(suite, key, int(row["number"]), sealed, associated(context, row))
    return opened if row["kind"] == KIND_RAW else lz4.block.decompress(opened, uncompressed_size=size)


@dataclass(frozen=True)
class Run:
    """What should become one row."""

    first: int
    start: int  # index of its first block in the call
    blocks: int
    zero: bool


@dataclass
class Decisions:
    new: np.ndarray
    changed: int
    zero: int
    digest: int
    runs: list[Run] = field(default_factory=list)


def decide(data: np.ndarray, extents: np.ndarray, old: np.ndarray, secret: np.ndarray, digest_secret: np.ndarray) -> Decisions:
    """What encode should do, from its contract alone."""
    new = signatures(data, secret)
    numbers = np.concatenate([np.arange(first, first + count) for first, count in extents] or [np.empty(0, np.int64)])
    differs = (new != old).any(axis=1)
    zero = differs & ~new.any(axis=1)
    change = digest(numbers[differs], new[differs], digest_secret) - digest(numbers[differs], old[differs], digest_secret)
    decisions = Decisions(new, int(differs.sum()), int(zero.sum()), change % (1 << 128))
    start = 0
    for first, count in extents:
        decisions.runs += _runs(int(first), start, differs[start : start + count], zero[start : start + count])
        start += int(count)
    return decisions


def _runs(first: int, start: int, differs: np.ndarray, zero: np.ndarray) -> Iterator[Run]:
    kind = np.where(zero, 2, differs.astype(int))
    edges = [0, *(np.flatnonzero(np.diff(kind)) + 1).tolist(), len(kind)]
    for low, high in pairwise(edges):
        step = high - low if kind[low] == 2 else FRAME_BLOCKS
        for at in range(low, high, step) if kind[low] else ():
            yield Run(first + at, start + at, min(step, high - at), bool(kind[low] == 2))
