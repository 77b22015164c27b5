"""Calling encode and decode with buffers of exactly the size that they ask for."""

from dataclasses import dataclass

import numpy as np

from tests.native import samples
from understudy.native import decode, encode
from understudy.native.layout import BLOCK_SIZE, FRAME


@dataclass
class Pack:
    """What one call of encode left."""

    result: encode.Encoded
    sealed: np.ndarray
    rows: np.ndarray
    new: np.ndarray

    def bytes_of(self, row: np.void, offset: int = 0) -> bytes:
        at = int(row["offset"]) - offset
        return self.sealed[at : at + int(row["length"])].tobytes()


def extents(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, np.int64).reshape(-1, 2)


def pack(data: np.ndarray, where: np.ndarray | None = None, old: np.ndarray | None = None, *, suite: int, **changes: object) -> Pack:
    blocks = len(data) // BLOCK_SIZE
    size, rows = encode.bounds(suite, blocks)
    new = np.full((blocks, 16), 0xAA, np.uint8)
    arguments = {
        "secret": samples.SECRET,
        "digest_secret": samples.DIGEST_SECRET,
        "suite": suite,
        "key": samples.KEY,
        "number": 0,
        "futile": 0,
        "context": samples.CONTEXT,
        "disk": 0,
        "offset": 0,
        "out": np.full(size, 0xEE, np.uint8),
        "frames": np.full(rows * FRAME.itemsize, 0xDD, np.uint8).view(FRAME),
        "new": new,
        "scratch": np.full(encode.scratch_size(), 0xCC, np.uint8),
    } | changes
    where = extents((0, blocks)) if where is None and blocks else extents() if where is None else where
    old = np.zeros((blocks, 16), np.uint8) if old is None else old
    result = encode.encode(data, where, old, **arguments)
    return Pack(result, arguments["out"][: result.sealed], arguments["frames"][: result.frames], arguments["new"])


def unpack(sealed: np.ndarray, rows: np.ndarray, *, suite: int, **changes: object) -> np.ndarray:
    """Blocks of all rows, one after the other."""
    if "out" not in changes:
        changes["out"] = np.full(int(rows["blocks"].sum()) * BLOCK_SIZE, 0xBB, np.uint8)
    arguments = {
        "base": 0,
        "key": samples.KEY,
        "context": samples.CONTEXT.reshape(1, 32),
        "scratch": np.full(encode.scratch_size(), 0xCC, np.uint8),
    } | changes
    base = arguments.pop("base")
    count = decode.decode(sealed, base, rows, suite=suite, **arguments)
    return arguments["out"][: count * BLOCK_SIZE]
