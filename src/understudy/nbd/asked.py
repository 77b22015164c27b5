"""What a client asks for, and how it is answered: layouts and limits, without I/O."""

import errno
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from understudy.nbd import wire
from understudy.nbd.failure import ClientBroke
from understudy.nbd.wire import Chunk, Command, Flags

MAX_EXTENTS = 1 << 14
"""Extents in one answer: 128 KiB. A client asks again for what it was not told."""
MAX_MESSAGE = 1024

_ALLOWED = {
    Command.READ: wire.FUA | wire.NOT_IN_PIECES,
    Command.WRITE: wire.FUA,
    Command.FLUSH: wire.FUA,
    Command.TRIM: wire.FUA,
    Command.WRITE_ZEROES: wire.FUA | wire.NO_HOLE,
    Command.BLOCK_STATUS: wire.FUA | wire.ONE_EXTENT,
}
_CHANGING = (Command.WRITE, Command.TRIM, Command.WRITE_ZEROES)
_ERRORS = {errno.EPERM, errno.EIO, errno.ENOMEM, errno.EINVAL, errno.ENOSPC, errno.EOVERFLOW, errno.ENOTSUP, errno.ESHUTDOWN}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request's header. `command` is any number that fits."""

    flags: int
    command: int
    cookie: int
    offset: int
    length: int

    @classmethod
    def parse(cls, header: bytes | bytearray | memoryview) -> "Asked":
        """`ClientBroke` where no request begins, or what follows it could not be read past."""
        magic, flags, command, cookie, offset, length = wire.REQUEST.unpack(header)
        if magic != wire.REQUEST_MAGIC:
            raise ClientBroke(f"it sent something that is no request (magic {magic:#010x})")
        if command == Command.WRITE and length > wire.MAX_PAYLOAD:
            raise ClientBroke(f"it wants to write {length} bytes at once")
        return cls(flags, command, cookie, offset, length)

    @property
    def payload(self) -> int:
        """Bytes that follow the header."""
        return self.length if self.command == Command.WRITE else 0

    def objection(self, size: int, can: Flags, *, allocation: bool) -> int:
        """The error with which it is refused before anything is done; 0: none."""
        if self.command not in _ALLOWED or self.flags & ~_ALLOWED[Command(self.command)]:
            return errno.EINVAL
        if self.command in _CHANGING and can & Flags.READ_ONLY:
            return errno.EPERM
        if self.command == Command.FLUSH:
            return 0
        if self.command == Command.BLOCK_STATUS and (not allocation or not self.length):
            return errno.EINVAL
        if self.command == Command.READ and self.length > wire.MAX_PAYLOAD:
            return errno.EINVAL
        if self.offset + self.length > size:
            return errno.ENOSPC if self.command in (Command.WRITE, Command.WRITE_ZEROES) else errno.EINVAL
        return 0


def simple(cookie: int, error: int = 0) -> bytes:
    """An answer without a payload, or the head of one to a read."""
    return wire.SIMPLE.pack(wire.SIMPLE_MAGIC, _told(error), cookie)


def data_head(cookie: int, offset: int, length: int, *, last: bool) -> bytes:
    """The head of a chunk of data; the data follow."""
    return _head(cookie, Chunk.OFFSET_DATA, 8 + length, last=last) + offset.to_bytes(8, "big")


def hole(cookie: int, offset: int, length: int, *, last: bool) -> bytes:
    return _head(cookie, Chunk.OFFSET_HOLE, 12, last=last) + struct.pack(">QI", offset, length)


def nothing(cookie: int) -> bytes:
    """The end of a structured reply."""
    return _head(cookie, Chunk.NONE, 0, last=True)


def failed(cookie: int, error: int, words: str) -> bytes:
    """An error that ends a structured reply."""
    said = words.encode()[:MAX_MESSAGE]
    return _head(cookie, Chunk.ERROR, 6 + len(said), last=True) + struct.pack(">IH", _told(error), len(said)) + said


def status(cookie: int, context: int, extents: NDArray[np.int64]) -> bytes:
    """`extents`: (N, 2) of length and flags, as many as one answer may have."""
    rows = extents.astype(">u4").tobytes()
    return _head(cookie, Chunk.BLOCK_STATUS, 4 + len(rows), last=True) + context.to_bytes(4, "big") + rows


def _head(cookie: int, kind: Chunk, length: int, *, last: bool) -> bytes:
    return wire.CHUNK.pack(wire.STRUCTURED_MAGIC, wire.CHUNK_DONE if last else 0, kind, cookie) + wire.LENGTH.pack(length)


def _told(error: int) -> int:
    """The protocol knows few errors; numbers that it does not know mean nothing to a client."""
    return error if not error or error in _ERRORS else errno.EIO
