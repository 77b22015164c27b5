"""One request on its way, and what has been received of its answer."""

import struct
from bisect import bisect_right
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from understudy.nbd import wire
from understudy.nbd.failure import NbdFailed, refused, violation
from understudy.nbd.wire import Command

MAX_EXTENTS = 1 << 20
"""Extents in one answer about one context; real servers stop at 2^17 (QEMU) and 2^20 (nbdkit)."""

WORDS = {
    Command.READ: "read",
    Command.WRITE: "write",
    Command.FLUSH: "flush",
    Command.TRIM: "trim",
    Command.CACHE: "fetch",
    Command.WRITE_ZEROES: "write zeroes",
    Command.BLOCK_STATUS: "tell the state of",
}


class Request:
    """A command with its range; `view` is where a read's bytes go or a write's come from."""

    __slots__ = (
        "_chunks",
        "_covered",
        "command",
        "contexts",
        "deadline",
        "error",
        "extents",
        "filling",
        "flags",
        "length",
        "offset",
        "on_done",
        "view",
    )

    def __init__(
        self,
        command: Command,
        offset: int,
        length: int,
        view: memoryview | None = None,
        flags: int = 0,
        contexts: frozenset[int] = frozenset(),
    ) -> None:
        self.command = command
        self.flags = flags
        self.offset = offset
        self.length = length
        self.view = view
        self.contexts = contexts
        self.extents: dict[int, NDArray[np.int64]] = {}
        self.error: NbdFailed | None = None
        self.deadline = 0.0
        self.on_done: Callable[[Request], None] | None = None
        self.filling: memoryview | None = None
        self._covered: list[tuple[int, int]] = []
        self._chunks = 0

    def packed(self, cookie: int) -> bytes:
        return wire.REQUEST.pack(wire.REQUEST_MAGIC, self.flags, self.command, cookie, self.offset, self.length)

    def abandon(self) -> None:
        """Nobody waits any more: let go of the caller's buffer at once; what still arrives goes nowhere."""
        self.on_done = None
        self.filling = None
        if self.command == Command.READ:
            self.view = memoryview(bytearray(self.length))

    def chunk(self) -> None:
        """Count a chunk of a structured reply: an endless answer is cut off."""
        self._chunks += 1
        if self._chunks > max(64, self.length // 512 if self.command == Command.READ else 0):
            raise violation(f"its answer to one request to {WORDS[self.command]} has more than {self._chunks - 1} parts")

    def fail(self, error: int, said: str) -> None:
        if self.error is None:
            where = f" {self.length} bytes at offset {self.offset}" if self.command != Command.FLUSH else ""
            self.error = refused(WORDS[self.command] + where, error, said)

    def place(self, offset: int, length: int) -> memoryview:
        """The part of the caller's buffer that a chunk of data may fill. Each byte is filled at most once."""
        if self.command != Command.READ or self.view is None:
            raise violation(f"it sent data in answer to a request to {WORDS[self.command]}")
        start = offset - self.offset
        if length <= 0 or start < 0 or start + length > self.length:
            raise violation(f"it sent {length} bytes for offset {offset} where {self.length} at {self.offset} were asked for")
        self._cover(start, start + length)
        self.filling = self.view[start : start + length]
        return self.filling

    def status(self, payload: bytearray) -> None:
        """Take one context's extents."""
        if self.command != Command.BLOCK_STATUS:
            raise violation(f"it sent extents in answer to a request to {WORDS[self.command]}")
        (context,) = struct.unpack_from(">I", payload)
        if context not in self.contexts or context in self.extents:
            raise violation("it sent extents of a context that was not asked for, or twice")
        rows = np.frombuffer(payload, dtype=">u4", offset=4).reshape(-1, 2).astype(np.int64)
        before_last = int(rows[:-1, 0].sum())
        if not rows[:, 0].all() or before_last >= self.length:
            raise violation("it sent empty extents, or extents outside what was asked for")
        rows[-1, 0] = min(int(rows[-1, 0]), self.length - before_last)
        self.extents[context] = rows

    def complete(self) -> None:
        """The last part came: is anything missing?"""
        if self.error is not None:
            return
        if self.command == Command.READ and self._covered != [(0, self.length)]:
            raise violation(f"it left out part of {self.length} bytes at offset {self.offset}")
        if self.command == Command.BLOCK_STATUS and self.extents.keys() != self.contexts:
            raise violation("it left out the extents of a context")

    def _cover(self, start: int, end: int) -> None:
        at = bisect_right(self._covered, (start, end))
        before = self._covered[at - 1] if at else (-1, -1)
        after = self._covered[at] if at < len(self._covered) else (self.length + 1, 0)
        if before[1] > start or after[0] < end or before[0] == start:
            raise violation(f"it sent the same bytes twice (offset {self.offset + start})")
        joined = (before[0] if before[1] == start else start, after[1] if after[0] == end else end)
        self._covered[at - (before[1] == start) : at + (after[0] == end)] = [joined]
