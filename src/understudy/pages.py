"""Memory that begins at a page, as the kernel wants it for what goes past its page cache, and that is used again."""

import numpy as np

from understudy.model import Bytes

PAGE = 4096


def from_a_page(size: int) -> Bytes:
    """Memory that begins at a page."""
    memory = np.empty(size + PAGE, dtype=np.uint8)
    before = -memory.ctypes.data % PAGE
    return memory[before : before + size]


def begins_at_a_page(data: memoryview) -> bool:
    return bool(np.frombuffer(data, dtype=np.uint8).ctypes.data % PAGE == 0)


class Buffers:
    """Memory of `size` bytes or less, which who has it gives back. Without, each comes from the kernel page by page.

    For one thread; as many are kept as were out at once.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[Bytes] = []
        self._out: dict[int, Bytes] = {}

    def take(self, size: int) -> Bytes:
        """Of so many bytes, which hold anything. More than are kept are had all the same."""
        if size > self._size:
            return from_a_page(size)
        whole = self._free.pop() if self._free else from_a_page(self._size)
        self._out[whole.ctypes.data] = whole
        return whole[:size]

    def give(self, buffer: Bytes) -> None:
        """It is not used any more. One that did not come from here is let go."""
        whole = self._out.pop(buffer.ctypes.data, None)
        if whole is not None:
            self._free.append(whole)
