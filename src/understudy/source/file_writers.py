"""fanotify for some files: which processes wrote to each, even by a descriptor that no process has any more."""

import ctypes
import errno
import os
import struct
import weakref
from typing import TypeAlias

_CLOEXEC, _NONBLOCK, _UNLIMITED_QUEUE, _REPORT_FID = 0x1, 0x2, 0x10, 0x200
_MARK_ADD = 0x1
_MODIFY, _OVERFLOW = 0x2, 0x4000
_EMPTY_PATH = 0x1000
_EVENT = struct.Struct("=IBBHQii")
"""Length, version, reserved, metadata's length, mask, descriptor, process."""
_INFO = struct.Struct("=BBHQIi")
"""Type, padding, length, file system, handle's length, handle's type; the handle follows."""
_HANDLE = struct.Struct("=Ii")
_LONGEST_HANDLE = 128
_BUFFER = 1 << 16

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fanotify_mark.argtypes = [ctypes.c_int, ctypes.c_uint, ctypes.c_uint64, ctypes.c_int, ctypes.c_char_p]

_Handle: TypeAlias = tuple[int, bytes]


class FileWriters:
    """`add` files, then ask. Processes are told by the numbers that they have here; 0 is none that can be seen from here."""

    def __init__(self) -> None:
        """OSError if this process may not know (that takes CAP_SYS_ADMIN), or this host's fanotify groups are used up."""
        self._group = _checked(_libc.fanotify_init(_CLOEXEC | _NONBLOCK | _UNLIMITED_QUEUE | _REPORT_FID, os.O_RDONLY))
        # A host has few of them: one that is forgotten goes with its object.
        self._closing = weakref.finalize(self, os.close, self._group)
        self._writers: dict[_Handle, set[int]] = {}
        self._handles: dict[str, _Handle] = {}
        self._lost = False

    def add(self, path: str, descriptor: int) -> None:
        """From now on the file that is open as `descriptor`, by the name of `path`. OSError if its file system cannot tell."""
        handle = _handle(descriptor)
        self._writers.setdefault(handle, set())
        self._handles[path] = handle
        _checked(_libc.fanotify_mark(self._group, _MARK_ADD, _MODIFY, -1, f"/proc/self/fd/{descriptor}".encode()))

    def of(self, path: str) -> set[int]:
        """Those who wrote to it since it was added, or cut it; none if it never was. OSError if that got lost."""
        while not self._lost and (told := self._read()):
            at = 0
            while at < len(told):
                length, _, _, start, mask, _, process = _EVENT.unpack_from(told, at)
                if mask & _OVERFLOW:
                    self._lost = True
                else:
                    self._note(told[at + start : at + length], process)
                at += length
        if self._lost:
            raise OSError(errno.EOVERFLOW, "too much was written at once")
        return set(self._writers[self._handles[path]]) if path in self._handles else set()

    def close(self) -> None:
        """Idempotent."""
        self._closing()

    def _note(self, info: bytes, process: int) -> None:
        *_, length, kind = _INFO.unpack_from(info)
        self._writers[kind, info[_INFO.size : _INFO.size + length]].add(process)

    def _read(self) -> bytes:
        try:
            return os.read(self._group, _BUFFER)
        except BlockingIOError:
            return b""


def _handle(descriptor: int) -> _Handle:
    """What the kernel calls the file in its events."""
    buffer = ctypes.create_string_buffer(_HANDLE.pack(_LONGEST_HANDLE, 0), _HANDLE.size + _LONGEST_HANDLE)
    _checked(_libc.name_to_handle_at(descriptor, b"", buffer, ctypes.byref(ctypes.c_int()), _EMPTY_PATH))
    length, kind = _HANDLE.unpack_from(buffer)
    return kind, buffer.raw[_HANDLE.size : _HANDLE.size + length]


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
