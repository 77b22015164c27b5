"""Inputs: deterministic blocks of every kind, and buffers as awkward as callers may pass them."""

import numpy as np

from understudy.native.layout import BLOCK_SIZE

SECRET = np.frombuffer(bytes((i * 59 + 7) % 256 for i in range(192)), np.uint8)
DIGEST_SECRET = np.frombuffer(bytes((i * 31 + 101) % 256 for i in range(192)), np.uint8)
KEY = np.frombuffer(bytes(range(1, 33)), np.uint8)
CONTEXT = np.frombuffer(bytes(range(100, 132)), np.uint8)


def unaligned(data: np.ndarray, shift: int = 1) -> np.ndarray:
    """The same bytes at an odd address, read-only."""
    buffer = np.empty(data.nbytes + shift, np.uint8)
    view = buffer[shift:].reshape(data.shape)
    view[...] = data
    view.flags.writeable = False
    return view


def zeros(blocks: int) -> np.ndarray:
    return np.zeros(blocks * BLOCK_SIZE, np.uint8)


def random(blocks: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, blocks * BLOCK_SIZE, dtype=np.uint8)


def text(blocks: int, seed: int = 0) -> np.ndarray:
    """Compressible to about a third."""
    words = np.random.default_rng(seed).integers(0, 256, (64, 8), dtype=np.uint8)
    picks = np.random.default_rng(seed + 1).integers(0, 64, blocks * BLOCK_SIZE // 8)
    return words[picks].reshape(-1)


def mixed(blocks: int, seed: int = 0) -> np.ndarray:
    """Runs of zero, compressible and random blocks, and blocks with a single byte set."""
    rng = np.random.default_rng(seed)
    data = np.concatenate([zeros(1), text(blocks, seed), random(1)])[BLOCK_SIZE : (blocks + 1) * BLOCK_SIZE].reshape(blocks, BLOCK_SIZE)
    at = 0
    while at < blocks:
        run = int(rng.integers(1, 6))
        kind = rng.integers(0, 4)
        if kind == 0:
            data[at : at + run] = 0
        elif kind == 1:
            data[at : at + run] = rng.integers(0, 256, data[at : at + run].shape, dtype=np.uint8)
        elif kind == 2:
            data[at : at + run] = 0
            data[at : at + run, rng.integers(0, BLOCK_SIZE)] = 1 << int(rng.integers(0, 8))
        at += run
    return data.reshape(-1)
