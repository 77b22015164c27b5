"""limits.c, built with the system's compiler, and the wheels' functions to give it."""

import ctypes
import subprocess
from functools import cache
from pathlib import Path

import lz4.block
import nacl._sodium
import nacl.bindings
import numpy as np
import xxhash

FRAME = 64 * 4096
BLOCK = 4096


@cache
def _loops() -> ctypes.CDLL:
    source = Path(__file__).with_name("limits.c")
    target = source.parent.parent / "build" / "limits.so"
    target.parent.mkdir(exist_ok=True)
    subprocess.run(["cc", "-O3", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", target, source], check=True)
    loops = ctypes.CDLL(str(target))
    for name in ("hash_all", "compress_all", "decompress_all", "seal_all"):
        getattr(loops, name).restype = ctypes.c_int64
    return loops


def _function(module: object, symbol: str) -> ctypes.c_void_p:
    return ctypes.cast(getattr(ctypes.CDLL(module.__file__), symbol), ctypes.c_void_p)


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def hash_blocks(data: np.ndarray, secret: np.ndarray) -> None:
    """Keyed XXH3-128 of every 4 KiB block."""
    hash = _function(xxhash._xxhash, "XXH3_128bits_withSecret_dispatch")
    _loops().hash_all(hash, _at(data), ctypes.c_size_t(len(data)), ctypes.c_size_t(BLOCK), _at(secret), ctypes.c_size_t(len(secret)))


def compress_frames(data: np.ndarray, out: np.ndarray, sizes: np.ndarray, state: np.ndarray) -> int:
    """LZ4 of every 256 KiB, one after the other into `out` (twice the data); `sizes` is int32, `state` 16 KiB and a bit, aligned."""
    function = _function(lz4.block._block, "LZ4_compress_fast_extState")
    room = FRAME + FRAME // 255 + 16
    return _loops().compress_all(function, _at(state), _at(data), ctypes.c_size_t(len(data)), FRAME, _at(out), room, _at(sizes))


def decompress_frames(data: np.ndarray, sizes: np.ndarray, out: np.ndarray) -> int:
    function = _function(lz4.block._block, "LZ4_decompress_safe")
    return _loops().decompress_all(function, _at(data), _at(sizes), ctypes.c_size_t(len(sizes)), FRAME, _at(out))


def seal_frames(name: str, data: np.ndarray, out: np.ndarray, key: np.ndarray) -> int:
    """Every 256 KiB, with 32 associated bytes."""
    function = _function(nacl._sodium, f"crypto_aead_{name}_encrypt")
    return _loops().seal_all(function, _at(data), ctypes.c_size_t(len(data)), ctypes.c_size_t(FRAME), _at(out), _at(key))
