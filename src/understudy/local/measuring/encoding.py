"""How fast the native kernels sign, compress and seal."""

import os
from collections.abc import Callable

import numpy as np

from understudy.engine.capacity import Encoding
from understudy.local.measuring.disks import SAMPLE
from understudy.local.measuring.timing import Patience
from understudy.model import BLOCK_SIZE, Bytes, Signatures
from understudy.native import capi
from understudy.native.encode import Encoded, bounds, encode, scratch_size
from understudy.native.layout import FRAME

MADE = "made data, of which half compresses away"


def made() -> Bytes:
    """Half of each block is random."""
    blocks = np.frombuffer(os.urandom(SAMPLE), np.uint8).reshape(-1, BLOCK_SIZE).copy()
    blocks[:, BLOCK_SIZE // 2 :] = np.arange(BLOCK_SIZE // 2, dtype=np.uint32).astype(np.uint8)
    return blocks.reshape(-1)


def encoding(data: Bytes, sample: str, patience: Patience, seconds: float) -> Encoding:
    """`data`: whole blocks. Of a disk that is unchanged, and of one that is all new."""
    secret = np.frombuffer(os.urandom(192), np.uint8)
    first, second = _Encoder(data, secret), _Encoder(data, secret)
    nothing = np.zeros((len(data) // BLOCK_SIZE, 16), np.uint8)
    sealed = first.encode(nothing).sealed
    known = first.new.copy()

    def rate(old: Signatures, *encoders: _Encoder) -> float:
        return patience.rate(seconds / 4, [encoder.work(old) for encoder in encoders])

    return Encoding(
        unchanged_1=rate(known, first),
        unchanged_2=rate(known, first, second),
        changed_1=rate(nothing, first),
        changed_2=rate(nothing, first, second),
        ratio=sealed / len(data),
        sample=sample,
    )


class _Encoder:
    """One thread's buffers."""

    def __init__(self, data: Bytes, secret: Bytes) -> None:
        self._data, self._secret = data, secret
        blocks = len(data) // BLOCK_SIZE
        self._suite = capi.suites()[0]
        size, rows = bounds(self._suite, blocks)
        self._out, self._rows = np.empty(size, np.uint8), np.empty(rows, FRAME)
        self._scratch = np.empty(scratch_size(), np.uint8)
        self._extents = np.array([[0, blocks]], np.int64)
        self.new = np.empty((blocks, 16), np.uint8)

    def work(self, old: Signatures) -> Callable[[], int]:
        def once() -> int:
            self.encode(old)
            return len(self._data)

        return once

    def encode(self, old: Signatures) -> Encoded:
        # Of nothing that is kept: these keys were never another's.
        return encode(
            self._data,
            self._extents,
            old,
            secret=self._secret,
            digest_secret=self._secret,
            suite=self._suite,
            key=self._secret[:32],
            number=0,
            futile=0,
            context=self._secret[32:64],
            disk=0,
            offset=0,
            out=self._out,
            frames=self._rows,
            new=self.new,
            scratch=self._scratch,
        )
