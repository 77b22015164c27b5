"""Decoded pieces of a disk: the newest in memory, more of them in a file that nobody else sees, each checked when it is used again."""

import asyncio
import os
import tempfile
from collections import OrderedDict
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from understudy.durable import read_all, write_all
from understudy.model import Bytes

IN_MEMORY = 64 << 20
IN_FILE = 2 << 30
"""Bytes; what a guest's boot reads is some hundred MiB, and fetching it again may cost a minute from a far store."""


class _Slot(NamedTuple):
    number: int
    length: int
    sum: bytes


class Stock:
    """Pieces of at most `piece` bytes by number; what a piece holds never changes.

    The file has no name, so that nothing of a guest is left behind by whatever ends this process. It is a help only: where it cannot be
    written or read, or gives back something else, it is done without.
    """

    def __init__(self, directory: Path, piece: int, *, memory: int = IN_MEMORY, file: int = IN_FILE) -> None:
        self._piece = piece
        self._memory: OrderedDict[int, Bytes] = OrderedDict()
        self._most = max(memory // piece, 1)
        self._slots: OrderedDict[int, _Slot] = OrderedDict()
        self._unused = list(range(file // piece - 1, -1, -1))
        self._writing = asyncio.Lock()
        self._fd = _nameless(directory)

    def close(self) -> None:
        os.close(self._fd)

    async def get(self, key: int) -> Bytes | None:
        """The piece, which must not be changed; None if it is not here."""
        if key in self._memory:
            self._memory.move_to_end(key)
            return self._memory[key]
        slot = self._slots.get(key)
        if slot is None:
            return None
        data = await asyncio.to_thread(self._read, slot)
        if data is None:
            if self._slots.get(key) is slot:
                del self._slots[key]
            return None
        self._remember(key, data)
        return data

    async def put(self, key: int, data: Bytes) -> None:
        """The piece belongs to the stock from now on."""
        self._remember(key, data)
        async with self._writing:
            if key in self._slots or not (self._unused or self._slots):
                return
            # Where there is no room it takes the place that was filled longest ago: what a boot needs again it needs soon.
            number = self._unused.pop() if self._unused else self._slots.popitem(last=False)[1].number
            if await asyncio.to_thread(self._write, number, data):
                self._slots[key] = _Slot(number, len(data), _sum(data))

    def _remember(self, key: int, data: Bytes) -> None:
        self._memory[key] = data
        self._memory.move_to_end(key)
        while len(self._memory) > self._most:
            self._memory.popitem(last=False)

    def _read(self, slot: _Slot) -> Bytes | None:
        data = np.empty(slot.length, dtype=np.uint8)
        try:
            read_all(self._fd, data.data, slot.number * self._piece)
        except (OSError, EOFError):
            return None
        return data if _sum(data) == slot.sum else None

    def _write(self, number: int, data: Bytes) -> bool:
        try:
            write_all(self._fd, data.data, number * self._piece)
        except OSError:
            return False
        return True


def _nameless(directory: Path) -> int:
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        return os.dup(file.fileno())


def _sum(data: Bytes) -> bytes:
    return blake2b(data.data, digest_size=16).digest()
