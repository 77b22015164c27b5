"""Buffers beside pages that cannot be touched: a stray read or write, also one inside a C library, ends the process on the spot."""

import ctypes
import mmap

import numpy as np

PAGE = mmap.PAGESIZE
PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)


def guarded(data: np.ndarray, *, end: bool = True) -> np.ndarray:
    """A copy whose last byte (or whose first) borders on an inaccessible page; on its other side it has up to a page of slack."""
    pages = -(-data.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    raw = np.frombuffer(memory, np.uint8)
    for guard in (0, pages + 1):
        if _libc.mprotect(ctypes.c_void_p(raw.ctypes.data + guard * PAGE), ctypes.c_size_t(PAGE), PROT_NONE):
            raise OSError(ctypes.get_errno(), "mprotect")
    start = (pages + 1) * PAGE - data.nbytes if end else PAGE
    copy = raw[start : start + data.nbytes].view(data.dtype).reshape(data.shape)
    copy[...] = data
    return copy
